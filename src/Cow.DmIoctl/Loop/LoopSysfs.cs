// SPDX-License-Identifier: MIT
using System.Globalization;
using System.IO.Enumeration;
using System.Text;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>What sysfs tells of loop devices, and the node that a machine without udev may lack.</summary>
internal static class LoopSysfs
{
    private const uint OwnerAndGroup = 0x1b0; // 0660

    /// <summary>The file behind a device; null where there is none.</summary>
    /// <param name="index">The N of /dev/loopN.</param>
    public static string? BackingFile(int index) => Attribute(index, "backing_file");

    /// <summary>An attribute of an attached device; null where it is not attached.</summary>
    /// <param name="index">The N of /dev/loopN.</param>
    /// <param name="name">Its file.</param>
    public static string? Attribute(int index, string name)
    {
        try
        {
            return File.ReadAllText($"/sys/block/loop{index}/loop/{name}").TrimEnd('\n');
        }
        catch (IOException)
        {
            return null; // the attribute goes with the file, also between open and read
        }
    }

    /// <summary>The devices that the kernel has, in order, with a file behind them or without.</summary>
    public static IEnumerable<int> All()
    {
        // Where the links of /sys/block lead: the runtime would look up each of thousands to see what kind of thing it is.
        const string root = "/sys/devices/virtual/block";
        return !Directory.Exists(root) ? [] : new FileSystemEnumerable<int>(
            root, static (ref entry) => IndexOf(entry.FileName), new EnumerationOptions { AttributesToSkip = 0 })
        {
            ShouldIncludePredicate = static (ref entry) => IndexOf(entry.FileName) >= 0,
        }.Order();
    }

    /// <summary>Makes the node of a device that the kernel has.</summary>
    /// <param name="index">The N of /dev/loopN.</param>
    /// <param name="path">/dev/loopN.</param>
    public static void MakeNode(int index, string path)
    {
        string attribute = $"/sys/block/loop{index}/dev";
        if (!File.Exists(attribute))
        {
            throw new LinuxException(Errno.ENODEV, "open", path);
        }

        var number = DeviceNumber.Parse(File.ReadAllText(attribute));
        if (LibC.MkNod(path, StatNumbers.Block | OwnerAndGroup, number.Encode()) < 0
            && Syscall.LastError != Errno.EEXIST)
        {
            throw new LinuxException(Syscall.LastError, "mknod", path);
        }
    }

    /// <summary>Writes the name that losetup shows where sysfs is missing: as much as has room.</summary>
    /// <param name="path">The file.</param>
    /// <param name="room">Zeroed; the last byte stays zero.</param>
    public static void WriteName(string path, Span<byte> room)
    {
        var bytes = Encoding.UTF8.GetBytes(path).AsSpan();
        bytes[..Math.Min(bytes.Length, room.Length - 1)].CopyTo(room);
    }

    private static int IndexOf(ReadOnlySpan<char> name) =>
        name.StartsWith("loop", StringComparison.Ordinal)
        && int.TryParse(name["loop".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? index : -1;
}
