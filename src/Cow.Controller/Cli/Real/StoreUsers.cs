// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Real;

/// <summary>Who uses a store: what is read of one in use may be torn, and what is written to one destroys it.</summary>
internal static class StoreUsers
{
    /// <summary>Throws when a device of ours, another mapped device, a mount or a loop device has it.</summary>
    public static void RequireNone(DaemonPaths paths, string path)
    {
        if (OurDevice(paths, path) is { } ours)
        {
            throw InUse(path, $"device {ours} writes to it", $"run \"cowctl remove {ours}\" first");
        }

        if (BlockDevice.IsBlockDevice(path))
        {
            RequireFree(path, BlockDevice.NumberOf(path));
            return;
        }

        (DeviceNumber Device, ulong Inode) file = BlockDevice.IdentityOf(path);
        foreach (LoopDeviceInfo loop in LoopDevice.List())
        {
            if ((loop.Device, loop.Inode) == file)
            {
                RequireFree(path, BlockDevice.NumberOf(loop.Path));
                throw InUse(path, $"it is attached to {loop.Path}", $"run \"losetup -d {loop.Path}\" first");
            }
        }
    }

    private static void RequireFree(string path, DeviceNumber number)
    {
        if (BlockDevice.Holders(number) is [DeviceNumber holder, ..])
        {
            throw InUse(path, $"{BlockDevice.PathOf(holder)} lies on it", "remove that first");
        }

        if (BlockDevice.MountedAt(number, out _) is { } where)
        {
            throw InUse(path, $"it is mounted at {where}", $"run \"umount {where}\" first");
        }
    }

    private static string? OurDevice(DaemonPaths paths, string path) => new StateStore(paths).ReadAll()
        .Where(state => Stores(state).Any(used => Same(used, path)))
        .Select(static state => state.Spec.Name)
        .FirstOrDefault();

    private static IEnumerable<string> Stores(DeviceState state) =>
        new[] { state.Spec.Cow, state.CowDevice, state.Spec.BitmapDevice, state.BitmapDevice }.OfType<string>();

    private static bool Same(string used, string path) =>
        used == path || (File.Exists(used) && BlockDevice.IdentityOf(used) == BlockDevice.IdentityOf(path));

    private static CliException InUse(string path, string reason, string cure) => new(ExitCode.InUse, path, reason, cure);
}
