// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>What a controller asks of block devices, and of files in their place. Any thread.</summary>
public static class BlockDevice
{
    /// <summary>
    /// Opens past the page cache (O_DIRECT), close-on-exec, without a lock. Buffers, offsets and lengths must then be
    /// multiples of <see cref="LogicalBlockSize"/>. EINVAL: the file system has no direct I/O.
    /// </summary>
    /// <param name="path">A block device or file.</param>
    /// <param name="write">Also for writing.</param>
    public static SafeFileHandle OpenDirect(string path, bool write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return FileOpen.Open(path, (write ? FileNumbers.ReadWrite : FileNumbers.ReadOnly) | FileNumbers.Direct);
    }

    /// <summary>
    /// Claims a block device (O_EXCL) until the handle is closed. To mount it, to swap to it and to build another device
    /// upon it each need such a claim, and so do these for a partition of it.
    /// </summary>
    /// <param name="path">A block device.</param>
    /// <returns>Open for reading; null where somebody else has claimed it, or a partition of it.</returns>
    public static SafeFileHandle? TryClaim(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return FileOpen.Open(path, FileNumbers.ReadOnly | FileNumbers.Exclusive);
        }
        catch (LinuxException e) when (e.Errno == Errno.EBUSY)
        {
            return null;
        }
    }

    /// <summary>Bytes of a block device or file.</summary>
    /// <param name="handle">Open.</param>
    public static unsafe ulong SizeBytes(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ulong bytes;
        int result = LibC.Ioctl(handle, BlockNumbers.SizeBytes, &bytes);
        if (result < 0 && Syscall.LastError == Errno.ENOTTY)
        {
            return (ulong)RandomAccess.GetLength(handle);
        }

        Syscall.Check(result, "BLKGETSIZE64");
        return bytes;
    }

    /// <summary>Bytes of the unit in which a block device is read and written; 512 for a file.</summary>
    /// <param name="handle">Open.</param>
    public static unsafe uint LogicalBlockSize(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        uint bytes;
        int result = LibC.Ioctl(handle, BlockNumbers.LogicalBlockSize, &bytes);
        if (result < 0 && Syscall.LastError == Errno.ENOTTY)
        {
            return Sectors.BytesPerSector;
        }

        Syscall.Check(result, "BLKSSZGET");
        return bytes;
    }

    /// <summary>There is a block device at the path; links are followed.</summary>
    /// <param name="path">Any path; false where there is nothing.</param>
    public static bool IsBlockDevice(string path) => FileStatus.Find(path, follow: true) is { IsBlock: true };

    /// <summary>It is a block device.</summary>
    /// <param name="handle">Open.</param>
    public static bool IsBlock(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        return FileStatus.Of(handle).IsBlock;
    }

    /// <summary>There is a regular file or a block device at the path, links followed: opening anything else may wait for somebody.</summary>
    /// <param name="path">Any path; false where there is nothing.</param>
    public static bool IsFileOrBlockDevice(string path) => FileStatus.Find(path, follow: true) is { IsBlock: true } or { IsRegular: true };

    /// <summary>The number of the device that a node stands for.</summary>
    /// <param name="path">A block device node; <see cref="ArgumentException"/> for anything else.</param>
    public static DeviceNumber NumberOf(string path)
    {
        var status = FileStatus.Of(path);
        return status.IsBlock
            ? status.Node
            : throw new ArgumentException($"{path} is not a block device", nameof(path));
    }

    /// <summary>Which file a path leads to: two paths with the same answer are one file.</summary>
    /// <param name="path">Links are followed.</param>
    public static (DeviceNumber Device, ulong Inode) IdentityOf(string path)
    {
        var status = FileStatus.Of(path);
        return (status.Device, status.Inode);
    }

    /// <summary>When a file's content, name or owner was changed last (ctime), which nobody can set back.</summary>
    /// <param name="path">Links are followed.</param>
    public static DateTime ChangedAt(string path) => FileStatus.Of(path).Changed;

    /// <summary>
    /// Which medium a block device has: the kernel counts them all, so another file behind a loop device is another number, and so is another device that
    /// got the number of one that went. Null where the kernel does not tell (before 5.15).
    /// </summary>
    /// <param name="number">The device, or a partition of it.</param>
    public static ulong? DiskSequenceOf(DeviceNumber number) => BlockSysfs.DiskSequence(number);

    /// <summary>A path of a block device: /dev/sdb, and /dev/mapper/NAME for a mapped one that has such a node.</summary>
    /// <param name="number">The device; ENODEV where the kernel has none of that number.</param>
    public static string PathOf(DeviceNumber number) => BlockSysfs.PathOf(number);

    /// <summary>The devices that are built upon this one (mapped devices, RAID).</summary>
    /// <param name="number">The device; without holders, or unknown, the list is empty.</param>
    public static IReadOnlyList<DeviceNumber> Holders(DeviceNumber number) => BlockSysfs.Holders(number);

    /// <summary>
    /// The unique id of a mapped device that a file or block device lies on, through whatever is between them, or is; null where there is none that begins
    /// so. Of a file on btrfs, overlayfs or the network nobody can tell.
    /// </summary>
    /// <param name="path">Links are followed.</param>
    /// <param name="uuidPrefix">How the unique id begins.</param>
    public static string? MappedBelow(string path, string uuidPrefix)
    {
        var status = FileStatus.Of(path);
        return new BlockStack().FindUuid(status.IsBlock ? status.Node : status.Device, uuidPrefix);
    }

    /// <summary>Where a file system on the device is mounted in our mount namespace; null where it is not.</summary>
    /// <param name="number">The device.</param>
    /// <param name="readWrite">The file system is mounted for writing, there or elsewhere.</param>
    public static string? MountedAt(DeviceNumber number, out bool readWrite) =>
        MountInfo.Find(File.ReadLines("/proc/self/mountinfo"), number, out readWrite);

    /// <summary>
    /// Gives blocks to a range of a file, which reads as before and cannot fail for want of space any more. The file
    /// grows where the range ends behind it. <see cref="LinuxException.IsForWantOfRoom"/> where there is not enough;
    /// EOPNOTSUPP where the file system cannot.
    /// </summary>
    /// <param name="handle">A file open for writing.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes, at least one.</param>
    public static void Preallocate(SafeFileHandle handle, long offset, long length)
    {
        ArgumentNullException.ThrowIfNull(handle);
        int result;
        do
        {
            result = LibC.FAllocate(handle, 0, offset, length);
        }
        while (Syscall.Interrupted(result));
        Syscall.Check(result, "fallocate");
    }
}
