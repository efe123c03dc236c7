// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>Whose a file is, and who may do what with it.</summary>
/// <param name="User">Its owner.</param>
/// <param name="Group">Its group.</param>
/// <param name="Mode">What they and others may.</param>
public readonly record struct FileRights(uint User, uint Group, UnixFileMode Mode)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // Of st_mode; the rest is the type.
    private const uint ModeMask = 0xfff;

    /// <summary>Those of a file; throws <see cref="LinuxException"/>.</summary>
    /// <param name="path">Links are followed.</param>
    public static FileRights Of(string path)
    {
        var status = FileStatus.Of(path);
        return new FileRights(status.User, status.Group, (UnixFileMode)(status.Mode & ModeMask));
    }

    /// <summary>Makes an empty file that nobody but its owner can open, from the first moment on. For reading and writing, close-on-exec, without a lock.</summary>
    /// <param name="path">Where nothing is; <see cref="LinuxException"/> with EEXIST where something is.</param>
    public static SafeFileHandle CreateOwn(string path) =>
        FileOpen.Open(path, FileNumbers.ReadWrite | FileNumbers.Create | FileNumbers.Exclusive, mode: OwnerOnly);

    /// <summary>Gives them to a file. Only root can make it another user's; not even root can on a file system that keeps no owners.</summary>
    /// <param name="handle">Open, of the caller's own file.</param>
    public void GiveTo(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        if (Environment.IsPrivilegedProcess && LibC.FChOwn(handle, User, Group) < 0 && Syscall.LastError is not (Errno.EPERM or Errno.EINVAL))
        {
            throw new LinuxException(Syscall.LastError, "fchown", null);
        }

        // The mode last: until then the new owner's group and others get nothing, and a change of owner takes bits away.
        File.SetUnixFileMode(handle, Mode);
    }
}
