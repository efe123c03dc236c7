// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>Opens a file at a path that was judged: what has become a link since then, or something else than a file, is not opened. Any thread.</summary>
public static class ResolvedFile
{
    /// <summary>Opens a regular file or block device, close-on-exec, without a lock; throws <see cref="IOException"/> for anything else, and where
    /// any part of the path is a link.</summary>
    /// <param name="path">Its full path, links resolved.</param>
    /// <param name="write">Also for writing.</param>
    /// <param name="direct">Past the page cache (O_DIRECT), as <see cref="BlockDevice.OpenDirect"/>.</param>
    public static SafeFileHandle Open(string path, bool write, bool direct = false) =>
        OpenAlong(path, ResolveNumbers.NoLinks, (write ? FileNumbers.ReadWrite : FileNumbers.ReadOnly) | (direct ? FileNumbers.Direct : 0));

    /// <summary>The same, with other flags, and along links where they are allowed.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="resolve">RESOLVE_*.</param>
    /// <param name="flags">O_*.</param>
    internal static SafeFileHandle OpenAlong(string path, ulong resolve, int flags)
    {
        using SafeFileHandle place = Find(path, resolve);
        // Asked before it is opened: a pipe would be waited for, and some devices do something when they are opened.
        if (FileStatus.Of(place) is { IsRegular: false, IsBlock: false })
        {
            throw new IOException($"{path} is neither a regular file nor a block device");
        }

        try
        {
            return FileOpen.Open($"/proc/self/fd/{place.DangerousGetHandle()}", flags);
        }
        catch (LinuxException e)
        {
            throw new LinuxException(e.Errno, "open", path);
        }
    }

    /// <summary>A descriptor that only says where the path leads (O_PATH).</summary>
    private static unsafe SafeFileHandle Find(string path, ulong resolve)
    {
        OpenHow how = new() { Flags = FileNumbers.PathOnly | FileNumbers.CloseOnExec, Resolve = resolve };
        nint name = Marshal.StringToCoTaskMemUTF8(path);
        try
        {
            nint fd;
            do
            {
                fd = LibC.SysCall(SyscallNumbers.OpenAt2, FileNumbers.CurrentDirectory, name, (nint)(&how), sizeof(OpenHow));
            }
            while (Syscall.Interrupted(fd));
            return new SafeFileHandle(Syscall.Check(fd, "open", path), ownsHandle: true);
        }
        finally
        {
            Marshal.FreeCoTaskMem(name);
        }
    }
}
