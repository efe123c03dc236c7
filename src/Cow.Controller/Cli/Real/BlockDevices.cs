// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Doctor;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Real;

/// <summary>Block devices, named for a reader.</summary>
internal static class BlockDevices
{
    private const string Deleted = " (deleted)";

    /// <summary>Path of a device, and what lies behind it: <c>/dev/loop0 (/srv/vm1.cow)</c>, <c>/dev/mapper/vg-lv</c>; null where there is none.</summary>
    public static string? NameOf(string deviceNumber)
    {
        if (!DeviceNumber.TryParse(deviceNumber, out DeviceNumber number))
        {
            return null;
        }

        try
        {
            string path = BlockDevice.PathOf(number);
            string? file = LoopDevice.List().FirstOrDefault(loop => loop.Path == path)?.BackingFile;
            return file is null ? path : $"{path} ({file})";
        }
        catch (IOException)
        {
            // Devices come and go while they are looked at.
            return null;
        }
    }

    /// <summary>Loop devices whose file is gone.</summary>
    public static IEnumerable<LoopFact> LostLoops()
    {
        foreach (LoopDeviceInfo loop in LoopDevice.List())
        {
            // A file's own name may end as the kernel marks those that are gone; then it exists under that name.
            if (!Path.Exists(loop.BackingFile))
            {
                string file = loop.BackingFile.EndsWith(Deleted, StringComparison.Ordinal) ? loop.BackingFile[..^Deleted.Length] : loop.BackingFile;
                yield return new LoopFact(loop.Path, file, [.. Users(loop.Path)]);
            }
        }
    }

    private static IEnumerable<string> Users(string path) => BlockDevice.IsBlockDevice(path)
        ? BlockDevice.Holders(BlockDevice.NumberOf(path)).Select(static holder => NameOf(holder.ToString()) ?? holder.ToString())
        : [];
}
