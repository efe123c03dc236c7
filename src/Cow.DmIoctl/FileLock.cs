// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// Byte-range locks that belong to the open file (F_OFD_SETLK of fcntl(2)), as QEMU takes them on images. They go when
/// the last descriptor of that open file is closed. Any thread.
/// </summary>
public static class FileLock
{
    /// <summary>
    /// Opens what is to be locked, for reading and close-on-exec: a regular file or block device; <see cref="IOException"/> for anything else. File.OpenHandle
    /// would take an flock, which udev and those who write partition tables respect on a device.
    /// </summary>
    /// <param name="path">Links are followed.</param>
    public static SafeFileHandle Open(string path) => ResolvedFile.OpenAlong(path, resolve: 0, FileNumbers.ReadOnly);

    /// <summary>Takes a lock, or changes the kind of one that we have; does not wait.</summary>
    /// <param name="handle">Open for writing where the lock is exclusive, for reading where it is shared.</param>
    /// <param name="offset">First byte; bytes behind the end may be locked.</param>
    /// <param name="length">Bytes; 0: to the end of all offsets.</param>
    /// <param name="exclusive">Nobody else may hold any lock there; without it, no exclusive one.</param>
    /// <returns>False where another open file holds a lock that conflicts.</returns>
    public static bool TryLock(SafeFileHandle handle, long offset, long length, bool exclusive)
    {
        var range = Range(exclusive ? FileNumbers.ExclusiveLock : FileNumbers.SharedLock, offset, length);
        return Call(handle, FileNumbers.SetLock, ref range);
    }

    /// <summary>Asks whether <see cref="TryLock"/> would fail, and takes nothing.</summary>
    /// <param name="handle">Any open file.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes; 0: to the end of all offsets.</param>
    /// <param name="exclusive">The kind of lock.</param>
    /// <returns>True where another open file holds a lock that conflicts.</returns>
    public static bool IsHeldByOthers(SafeFileHandle handle, long offset, long length, bool exclusive)
    {
        var range = Range(exclusive ? FileNumbers.ExclusiveLock : FileNumbers.SharedLock, offset, length);
        Call(handle, FileNumbers.GetLock, ref range);
        return range.Type != FileNumbers.NoLock;
    }

    /// <summary>Gives locks back.</summary>
    /// <param name="handle">The open file that took them.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes; 0: to the end of all offsets.</param>
    public static void Unlock(SafeFileHandle handle, long offset, long length)
    {
        var range = Range(FileNumbers.NoLock, offset, length);
        Call(handle, FileNumbers.SetLock, ref range);
    }

    private static FLock Range(short type, long offset, long length) =>
        new() { Type = type, Start = offset, Length = length };

    private static unsafe bool Call(SafeFileHandle handle, int command, ref FLock range)
    {
        ArgumentNullException.ThrowIfNull(handle);
        int result;
        fixed (FLock* argument = &range)
        {
            do
            {
                result = LibC.FCntl(handle, command, argument);
            }
            while (Syscall.Interrupted(result));
        }

        if (result < 0 && Syscall.LastError is Errno.EAGAIN or Errno.EACCES)
        {
            return false;
        }

        Syscall.Check(result, "lock");
        return true;
    }
}
