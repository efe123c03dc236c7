// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>Holes of files: where they are, what they save, how they are made. Any thread; moves the file's position, which nobody here uses.</summary>
public static class SparseFile
{
    /// <summary>The first byte from <paramref name="offset"/> on that is not in a hole (SEEK_DATA of lseek(2)).</summary>
    /// <param name="handle">A file; of what knows no holes every byte is data.</param>
    /// <param name="offset">Byte offset.</param>
    /// <returns>Null where nothing but a hole is left, or the file ends before.</returns>
    public static long? NextData(SafeFileHandle handle, long offset)
    {
        try
        {
            return Seek(handle, offset, SeekNumbers.Data);
        }
        catch (LinuxException e) when (e.Errno is Errno.EINVAL or Errno.EOPNOTSUPP)
        {
            return offset;
        }
    }

    /// <summary>The first byte from <paramref name="offset"/> on that is in a hole (SEEK_HOLE of lseek(2)); the end of the file is one.</summary>
    /// <param name="handle">A file.</param>
    /// <param name="offset">Byte offset.</param>
    /// <returns>Null where the file ends before.</returns>
    public static long? NextHole(SafeFileHandle handle, long offset) => Seek(handle, offset, SeekNumbers.Hole);

    /// <summary>Bytes that a file occupies on its disk.</summary>
    /// <param name="path">Links are followed.</param>
    public static long OccupiedBytes(string path) => checked((long)FileStatus.Of(path).Blocks * Sectors.BytesPerSector);

    /// <summary>Makes a range of a file or block device read as zeros, without the data going through here, and gives its room back where that can be.
    /// EOPNOTSUPP where neither can be.</summary>
    /// <param name="handle">Open for writing.</param>
    /// <param name="offset">First byte; of a block device on a logical block.</param>
    /// <param name="length">Bytes, at least one; not beyond the end.</param>
    public static void Zero(SafeFileHandle handle, long offset, long length)
    {
        ArgumentNullException.ThrowIfNull(handle);
        int result = Allocate(handle, FileNumbers.PunchHole, offset, length);
        if (result < 0 && Syscall.LastError == Errno.EOPNOTSUPP)
        {
            // A device that cannot forget: the kernel writes the zeros.
            result = Allocate(handle, FileNumbers.ZeroRange, offset, length);
        }

        Syscall.Check(result, "fallocate");
    }

    private static int Allocate(SafeFileHandle handle, int mode, long offset, long length)
    {
        int result;
        do
        {
            result = LibC.FAllocate(handle, mode | FileNumbers.KeepSize, offset, length);
        }
        while (Syscall.Interrupted(result));
        return result;
    }

    private static long? Seek(SafeFileHandle handle, long offset, int whence)
    {
        ArgumentNullException.ThrowIfNull(handle);
        long result = LibC.LSeek(handle, offset, whence);
        if (result < 0 && Syscall.LastError == Errno.ENXIO)
        {
            return null;
        }

        Syscall.Check((nint)result, "lseek");
        return result;
    }
}
