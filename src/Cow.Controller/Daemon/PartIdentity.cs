// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>
/// What a path of a device led to when the device was made. Names move on: a loop device gets another file, a file or a volume another name. The numbers are
/// of this boot, and so is the state that they are kept in.
/// </summary>
/// <param name="Path">As it was opened.</param>
/// <param name="Device">Number of the block device; null where it is a file.</param>
/// <param name="DiskSequence">Which medium it had; null where the kernel does not tell.</param>
/// <param name="File">The file, or the one behind a loop device; see <see cref="FileIdentity"/>.</param>
internal sealed record PartIdentity(string Path, string? Device, ulong? DiskSequence, string? File)
{
    private const string LoopNode = "/dev/loop";

    /// <summary>Whether the path leads there still.</summary>
    public bool IsThere => Find(Path) is { } now
        && now.Device == Device && now.File == File
        && (now.DiskSequence == DiskSequence || now.DiskSequence is null || DiskSequence is null);

    /// <summary>What a path leads to now; null where nothing is.</summary>
    public static PartIdentity? Find(string path)
    {
        if (!BlockDevice.IsBlockDevice(path))
        {
            return System.IO.File.Exists(path) ? new PartIdentity(path, null, null, FileIdentity.Of(path)) : null;
        }

        DeviceNumber number = BlockDevice.NumberOf(path);
        return new PartIdentity(path, number.ToString(), BlockDevice.DiskSequenceOf(number), BehindLoop(path));
    }

    /// <summary>Nothing of a device is opened, let alone written, by a name that leads elsewhere by now.</summary>
    /// <param name="parts">Those of the device that are opened.</param>
    /// <param name="name">The device.</param>
    public static void Require(IEnumerable<PartIdentity> parts, string name)
    {
        if (parts.FirstOrDefault(part => !part.IsThere) is { } other)
        {
            throw new RefusedException(
                ExitCode.BadStore, name, $"{other.Path} is not what it was made with, which has another name now or is gone",
                $"put that back, or lose what is not committed with \"cowctl remove --force {name}\"");
        }
    }

    private static string? BehindLoop(string node) =>
        node.StartsWith(LoopNode, StringComparison.Ordinal)
        && int.TryParse(node.AsSpan(LoopNode.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int index)
        && LoopDevice.Find(index) is { } loop
            ? FileIdentity.Of(loop)
            : null;
}
