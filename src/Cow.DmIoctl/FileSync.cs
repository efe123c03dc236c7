// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// fsync(2) as it is. That of .NET takes EROFS, EINVAL and EOPNOTSUPP for success; and EROFS is what ext4 answers, without
/// having written anything, once it has given up. Any thread.
/// </summary>
public static class FileSync
{
    /// <summary>Makes everything that was written to a file or block device durable.</summary>
    /// <param name="handle">Open.</param>
    /// <param name="name">Its path or other name, for <see cref="LinuxException"/>: whatever that says, it may not be durable.</param>
    public static void Flush(SafeFileHandle handle, string name)
    {
        ArgumentNullException.ThrowIfNull(handle);
        int result;
        do
        {
            result = LibC.FSync(handle);
        }
        while (Syscall.Interrupted(result));
        Syscall.Check(result, "fsync", name);
    }

    /// <summary>As <see cref="Flush"/>, for what is only read: not every file system has that for it (squashfs and ISO 9660 have it for nothing), and there is
    /// nothing else to ask it for.</summary>
    /// <param name="handle">Open.</param>
    /// <param name="name">Its path or other name, for <see cref="LinuxException"/>.</param>
    public static void FlushWherePossible(SafeFileHandle handle, string name)
    {
        try
        {
            Flush(handle, name);
        }
        catch (LinuxException e) when (e.Errno == Errno.EINVAL)
        {
            // Nothing is left there that is not on the disk.
        }
    }

    /// <summary>Makes names that were made, changed or removed in a directory durable.</summary>
    /// <param name="path">The directory.</param>
    public static void FlushDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using SafeFileHandle handle = FileOpen.Open(path, FileNumbers.ReadOnly);
        FlushWherePossible(handle, path);
    }
}
