// SPDX-License-Identifier: MIT
using System.Globalization;
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

    /// <summary>An attached device as far as one knows it who may not open it; null where its file cannot be told, or is not there any more.</summary>
    /// <param name="index">The N of /dev/loopN.</param>
    /// <param name="file">The file behind it.</param>
    public static LoopDeviceInfo? Describe(int index, string file)
    {
        try
        {
            return FileStatus.Find(file, follow: true) is { } status
                ? new LoopDeviceInfo(index, file, status.Device, status.Inode, Number(index, "offset"), Number(index, "sizelimit"), IsReadOnly(index))
                : null;
        }
        catch (LinuxException e) when (e.Errno is Errno.EACCES or Errno.EPERM)
        {
            return null; // who may not see the file has no business with it either
        }
    }

    /// <summary>The devices that the kernel has, in order, with a file behind them or without.</summary>
    /// <param name="except">Says of an index whether that one is left out.</param>
    public static IReadOnlyList<int> All(Func<int, bool>? except)
    {
        var all = new List<int>();
        DirectoryNames.ForEach("/sys/block", name =>
        {
            if (name.StartsWith("loop"u8)
                && int.TryParse(name["loop"u8.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                && except?.Invoke(index) != true)
            {
                all.Add(index);
            }
        });
        all.Sort();
        return all;
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

    private static ulong Number(int index, string name) =>
        ulong.TryParse(Attribute(index, name), NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) ? number : 0;

    private static bool IsReadOnly(int index) => Attribute(index, "../ro") == "1";

    /// <summary>Writes the name that losetup shows where sysfs is missing: as much as has room.</summary>
    /// <param name="path">The file.</param>
    /// <param name="room">Zeroed; the last byte stays zero.</param>
    public static void WriteName(string path, Span<byte> room)
    {
        var bytes = Encoding.UTF8.GetBytes(path).AsSpan();
        bytes[..Math.Min(bytes.Length, room.Length - 1)].CopyTo(room);
    }
}
