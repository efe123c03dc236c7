// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.DmIoctl;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller;

/// <summary>Opens files and block devices past the page cache where that is possible: what the kernel writes to them under us, and what we write, is
/// then seen by both.</summary>
[SuppressMessage("Reliability", "CA2000", Justification = "The image file takes the handle over.")]
internal static class DirectFile
{
    /// <summary>Blocks of a file whose file system takes no smaller ones.</summary>
    private const int LargeBlock = 4096;

    /// <summary>Opens one.</summary>
    /// <param name="path">A regular file or block device; <see cref="IOException"/> for anything else.</param>
    /// <param name="write">Also for writing.</param>
    public static IImageFile Open(string path, bool write) => BlockDevice.IsFileOrBlockDevice(path)
        ? Over(path, TryDirect(() => BlockDevice.OpenDirect(path, write)), () => OpenCached(path, write))
        : throw new FileNotFoundException($"{path} is no file or block device", path);

    /// <summary>Opens one at a path that was judged: <see cref="ResolvedFile"/>.</summary>
    /// <param name="path">Full path, links resolved; <see cref="IOException"/> where there are any, and for anything but a regular file or block device.</param>
    /// <param name="write">Also for writing.</param>
    public static IImageFile OpenResolved(string path, bool write) =>
        Over(path, TryDirect(() => ResolvedFile.Open(path, write, direct: true)), () => ResolvedFile.Open(path, write));

    private static SafeFileHandle OpenCached(string path, bool write) =>
        File.OpenHandle(path, FileMode.Open, write ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>Null where the file system has no O_DIRECT; then nobody else goes past its cache either.</summary>
    private static SafeFileHandle? TryDirect(Func<SafeFileHandle> open)
    {
        try
        {
            return open();
        }
        catch (LinuxException e) when (e.Errno == Errno.EINVAL)
        {
            return null;
        }
    }

    private static ImageFile Over(string path, SafeFileHandle? direct, Func<SafeFileHandle> cached)
    {
        SafeFileHandle handle = direct ?? cached();
        try
        {
            return BlockDevice.IsBlock(handle)
                ? OverDevice(handle, path)
                : OverFile(handle, path, direct is not null && !TakesSectors(handle) ? LargeBlock : 512);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static ImageFile OverDevice(SafeFileHandle handle, string path) => new ImageFile(
        handle, path, Math.Max(512, (int)BlockDevice.LogicalBlockSize(handle)), () => (long)BlockDevice.SizeBytes(handle), flush: FileSync.Flush);

    private static ImageFile OverFile(SafeFileHandle handle, string path, int alignment) =>
        new ImageFile(handle, path, alignment, nextData: SparseFile.NextData, flush: FileSync.Flush);

    /// <summary>Whether O_DIRECT takes single sectors; asked by trying, since not every kernel and file system tells.</summary>
    private static bool TakesSectors(SafeFileHandle handle)
    {
        byte[] memory = GC.AllocateArray<byte>(2 * LargeBlock, pinned: true);
        nint address = System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0);
        int start = (int)(-address & (LargeBlock - 1));
        try
        {
            _ = RandomAccess.Read(handle, memory.AsSpan(start, 512), 512);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
