// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>A loop device that has a file behind it.</summary>
/// <param name="Index">The N of /dev/loopN.</param>
/// <param name="BackingFile">The file as sysfs names it, with " (deleted)" behind where it has no name any more.</param>
/// <param name="Device">Device of the file system that holds the file.</param>
/// <param name="Inode">The file on it.</param>
/// <param name="Offset">Where in the file the device begins, in bytes.</param>
/// <param name="SizeLimit">Where it ends, in bytes from there; 0: with the file.</param>
/// <param name="IsReadOnly">Writes are refused.</param>
public sealed record LoopDeviceInfo(
    int Index, string BackingFile, DeviceNumber Device, ulong Inode, ulong Offset, ulong SizeLimit, bool IsReadOnly)
{
    /// <summary>Its node.</summary>
    public string Path => $"/dev/loop{Index}";
}
