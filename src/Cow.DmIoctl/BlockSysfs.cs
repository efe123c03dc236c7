// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.DmIoctl;

/// <summary>What sysfs tells of block devices.</summary>
internal static class BlockSysfs
{
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
    public static IReadOnlyList<DeviceNumber> Holders(DeviceNumber number)
    {
        string directory = Path.Combine(DirectoryOf(number), "holders");
        if (!Directory.Exists(directory))
        {
            return [];
        }

        return [.. Directory.EnumerateFileSystemEntries(directory)
            .Select(holder => DeviceNumber.TryParse(ReadLine(Path.Combine(holder, "dev")), out var found)
                ? found
                : (DeviceNumber?)null)
            .OfType<DeviceNumber>()];
    }

    /// <summary>See <see cref="BlockDevice.DiskSequenceOf"/>.</summary>
    public static ulong? DiskSequence(DeviceNumber number)
    {
        string directory = DirectoryOf(number);
        // A partition lies in its disk, whose it has.
        string? text = ReadLine(Path.Combine(directory, "diskseq"))
            ?? (Directory.Exists(directory) && Directory.ResolveLinkTarget(directory, returnFinalTarget: true) is { } found
                ? ReadLine(Path.Combine(Path.GetDirectoryName(found.FullName)!, "diskseq"))
                : null);
        return ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong sequence) ? sequence : null;
    }

    private static string DirectoryOf(DeviceNumber number) => $"/sys/dev/block/{number}";

    private static bool IsNodeOf(string path, DeviceNumber number) =>
        FileStatus.Find(path, follow: true) is { IsBlock: true } status && status.Node == number;

    // Null where the file is not there, or went while we looked.
    private static string? ReadLine(string path)
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
}
