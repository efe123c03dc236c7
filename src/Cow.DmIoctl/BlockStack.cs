// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>What a block device is built upon, as sysfs tells.</summary>
/// <param name="sysfs">/sys/dev/block.</param>
internal sealed class BlockStack(string sysfs = BlockSysfs.Root)
{
    /// <summary>The unique id, if it begins so, of a mapped device that <paramref name="top"/> is, or lies on, whatever is between them; null where there is none.</summary>
    /// <param name="top">The device; without an entry of its own, as the number of btrfs or overlayfs, nobody can tell.</param>
    /// <param name="prefix">How it begins.</param>
    public string? FindUuid(DeviceNumber top, string prefix)
    {
        var seen = new HashSet<DeviceNumber>();
        var left = new Stack<DeviceNumber>([top]);
        while (left.TryPop(out DeviceNumber number))
        {
            // Each once: several ways may lead to one.
            if (!seen.Add(number))
            {
                continue;
            }

            string directory = Path.Combine(sysfs, number.ToString());
            if (BlockSysfs.ReadLine(Path.Combine(directory, "dm", "uuid")) is { } uuid && uuid.StartsWith(prefix, StringComparison.Ordinal))
            {
                return uuid;
            }

            foreach (DeviceNumber lower in Below(directory))
            {
                left.Push(lower);
            }
        }

        return null;
    }

    private static IEnumerable<DeviceNumber> Below(string directory) =>
        [.. BlockSysfs.Linked(Path.Combine(directory, "slaves")), .. DiskOf(directory), .. Behind(directory)];

    private static DeviceNumber[] DiskOf(string partition) =>
        File.Exists(Path.Combine(partition, "partition"))
        && BlockSysfs.DiskOf(partition) is { } disk
        && DeviceNumber.TryParse(BlockSysfs.ReadLine(Path.Combine(disk, "dev")), out DeviceNumber number)
            ? [number]
            : [];

    /// <summary>The device that the file behind a loop device is on, or is.</summary>
    private static DeviceNumber[] Behind(string loop)
    {
        try
        {
            return BlockSysfs.ReadLine(Path.Combine(loop, "loop", "backing_file")) is { } file && FileStatus.Find(file, follow: true) is { } status
                ? [status.IsBlock ? status.Node : status.Device]
                : [];
        }
        catch (LinuxException)
        {
            // Its file system is gone.
            return [];
        }
    }
}
