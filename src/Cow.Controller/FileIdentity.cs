// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller;

/// <summary>Tells one file with two names from two files.</summary>
internal static class FileIdentity
{
    /// <summary>The same for two paths exactly where they lead to one file: hard links do.</summary>
    /// <param name="path">Of a file that is there; <see cref="IOException"/> where it is not.</param>
    public static string Of(string path)
    {
        (DeviceNumber device, ulong inode) = BlockDevice.IdentityOf(path);
        return Text(device, inode);
    }

    /// <summary>Whether two paths lead to one file, or to one device: it may have several nodes.</summary>
    /// <param name="path">A path; where there is nothing, only the same path leads there.</param>
    /// <param name="other">Another.</param>
    public static bool AreSame(string path, string other) => path == other
        || (BlockDevice.IsFileOrBlockDevice(path) && BlockDevice.IsFileOrBlockDevice(other)
            && (BlockDevice.IsBlockDevice(path) && BlockDevice.IsBlockDevice(other)
                ? BlockDevice.NumberOf(path) == BlockDevice.NumberOf(other)
                : Of(path) == Of(other)));

    /// <summary>The file behind a loop device, whatever its name is by now.</summary>
    /// <param name="loop">The device.</param>
    public static string Of(LoopDeviceInfo loop) => Text(loop.Device, loop.Inode);

    private static string Text(DeviceNumber device, ulong inode) => $"{device}:{inode}";
}
