// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>What statx says of a path, as far as we ask.</summary>
/// <param name="Mode">Type and permissions, as in st_mode.</param>
/// <param name="Node">The device that a device node stands for.</param>
/// <param name="Device">The device that the file is on.</param>
/// <param name="Inode">The file on it.</param>
/// <param name="Blocks">Blocks of 512 bytes that it occupies.</param>
/// <param name="Changed">When it or its content was changed last.</param>
/// <param name="User">Its owner.</param>
/// <param name="Group">Its group.</param>
internal readonly record struct FileStatus(
    uint Mode, DeviceNumber Node, DeviceNumber Device, ulong Inode, ulong Blocks, DateTime Changed, uint User, uint Group)
{
    /// <summary>It is a block device.</summary>
    public bool IsBlock => (Mode & StatNumbers.TypeMask) == StatNumbers.Block;

    /// <summary>It is a regular file.</summary>
    public bool IsRegular => (Mode & StatNumbers.TypeMask) == StatNumbers.Regular;

    /// <summary>It is a symbolic link (only when links were not followed).</summary>
    public bool IsLink => (Mode & StatNumbers.TypeMask) == StatNumbers.SymbolicLink;

    /// <summary>Asks; throws <see cref="LinuxException"/>.</summary>
    /// <param name="path">A path; links are followed.</param>
    public static FileStatus Of(string path) =>
        Ask(path, 0) ?? throw new LinuxException(Syscall.LastError, "stat", path);

    /// <summary>Asks of an open file; throws <see cref="LinuxException"/>.</summary>
    /// <param name="handle">Open; in use by the caller meanwhile.</param>
    public static FileStatus Of(SafeFileHandle handle) =>
        Ask("", FileNumbers.EmptyPath, (int)handle.DangerousGetHandle()) ?? throw new LinuxException(Syscall.LastError, "fstat", null);

    /// <summary>Asks; null where nothing is there, other failures throw.</summary>
    /// <param name="path">A path.</param>
    /// <param name="follow">Follow links.</param>
    public static FileStatus? Find(string path, bool follow)
    {
        if (Ask(path, follow ? 0 : FileNumbers.NoFollow) is { } status)
        {
            return status;
        }

        var error = Syscall.LastError;
        return error is Errno.ENOENT or Errno.ENOTDIR ? null : throw new LinuxException(error, "stat", path);
    }

    private static DateTime TimeOf(StatXTimestamp time) =>
        DateTime.UnixEpoch.AddTicks((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / TimeSpan.NanosecondsPerTick));

    private static unsafe FileStatus? Ask(string path, int flags, int directory = FileNumbers.CurrentDirectory)
    {
        StatX status;
        int result;
        do
        {
            result = LibC.StatX(directory, path, flags, StatNumbers.BasicStats, &status);
        }
        while (Syscall.Interrupted(result));
        return result < 0
            ? null
            : new FileStatus(status.Mode, new DeviceNumber(status.NodeMajor, status.NodeMinor),
                new DeviceNumber(status.DeviceMajor, status.DeviceMinor), status.Inode, status.Blocks, TimeOf(status.Changed), status.User, status.Group);
    }
}
