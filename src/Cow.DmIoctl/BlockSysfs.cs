// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.DmIoctl;

/// <summary>What sysfs tells of block devices.</summary>
internal static class BlockSysfs
{
    /// <summary>Where each block device has a directory, which its number names.</summary>
    public const string Root = "/sys/dev/block";

    private const string DeviceNameKey = "DEVNAME=";

    /// <summary>See <see cref="BlockDevice.PathOf"/>.</summary>
    public static string PathOf(DeviceNumber number)
    {
        string directory = DirectoryOf(number);
        if (!Directory.Exists(directory))
        {
            throw new LinuxException(Errno.ENODEV, "look up", number.ToString());
        }

        string mapped = "/dev/mapper/" + ReadLine(Path.Combine(directory, "dm", "name"));
        if (mapped.Length > "/dev/mapper/".Length && IsNodeOf(mapped, number))
        {
            return mapped;
        }

        string? name = File.ReadLines(Path.Combine(directory, "uevent"))
            .FirstOrDefault(line => line.StartsWith(DeviceNameKey, StringComparison.Ordinal));
        return name is null ? $"/dev/block/{number}" : "/dev/" + name[DeviceNameKey.Length..];
    }

    /// <summary>See <see cref="BlockDevice.Holders"/>.</summary>
    public static IReadOnlyList<DeviceNumber> Holders(DeviceNumber number) => Linked(Path.Combine(DirectoryOf(number), "holders"));

    /// <summary>The devices that a directory has links to: holders, or slaves.</summary>
    public static IReadOnlyList<DeviceNumber> Linked(string directory)
    {
        if (!Directory.Exists(directory))
        {
            return [];
        }

        return [.. Directory.EnumerateFileSystemEntries(directory)
            .Select(linked => DeviceNumber.TryParse(ReadLine(Path.Combine(linked, "dev")), out var found)
                ? found
                : (DeviceNumber?)null)
            .OfType<DeviceNumber>()];
    }

    /// <summary>See <see cref="BlockDevice.DiskSequenceOf"/>.</summary>
    public static ulong? DiskSequence(DeviceNumber number)
    {
        string directory = DirectoryOf(number);
        string? text = ReadLine(Path.Combine(directory, "diskseq"))
            ?? (DiskOf(directory) is { } disk ? ReadLine(Path.Combine(disk, "diskseq")) : null);
        return ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong sequence) ? sequence : null;
    }

    /// <summary>The directory of the disk that a partition is of: it has that of the partition in it.</summary>
    public static string? DiskOf(string partition) =>
        Directory.Exists(partition) && Directory.ResolveLinkTarget(partition, returnFinalTarget: true) is { } found
            ? Path.GetDirectoryName(found.FullName)
            : null;

    /// <summary>The first line of a file; null where it is not there, or went while we looked.</summary>
    public static string? ReadLine(string path)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault();
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string DirectoryOf(DeviceNumber number) => Path.Combine(Root, number.ToString());

    private static bool IsNodeOf(string path, DeviceNumber number) =>
        FileStatus.Find(path, follow: true) is { IsBlock: true } status && status.Node == number;
}
