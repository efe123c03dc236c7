// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>Who else uses what a device is to be made of.</summary>
internal sealed class UseChecks(DmControl dm)
{
    /// <summary>Readers are welcome at a base, writers are not.</summary>
    public void Base(string path)
    {
        if (!BlockDevice.IsBlockDevice(path))
        {
            NotAttached(path, forWriting: true);
            return;
        }

        DeviceNumber number = BlockDevice.NumberOf(path);
        if (BlockDevice.MountedAt(number, out bool readWrite) is { } where && readWrite)
        {
            throw new RefusedException(
                ExitCode.InUse, path, $"is mounted read-write at {where}", "unmount it, or mount it read-only: a base must not change");
        }

        foreach (DeviceNumber holder in BlockDevice.Holders(number))
        {
            if (Writes(holder, number))
            {
                throw new RefusedException(
                    ExitCode.InUse, path, $"is in use for writing by {BlockDevice.PathOf(holder)}", "remove that device first: a base must not change");
            }
        }
    }

    /// <summary>A store is ours alone.</summary>
    public static void Store(string path)
    {
        if (!BlockDevice.IsBlockDevice(path))
        {
            NotAttached(path, forWriting: false);
            return;
        }

        DeviceNumber number = BlockDevice.NumberOf(path);
        if (BlockDevice.MountedAt(number, out _) is { } where)
        {
            throw new RefusedException(ExitCode.InUse, path, $"is mounted at {where}", "unmount it, or use another device");
        }

        if (BlockDevice.Holders(number) is [DeviceNumber holder, ..])
        {
            throw new RefusedException(ExitCode.InUse, path, $"is in use by {BlockDevice.PathOf(holder)}", "remove that device, or use another one");
        }
    }

    private static void NotAttached(string path, bool forWriting)
    {
        (DeviceNumber Device, ulong Inode) file = BlockDevice.IdentityOf(path);
        foreach (LoopDeviceInfo loop in OwnLoops.List())
        {
            if ((loop.Device, loop.Inode) == file && !(forWriting && loop.IsReadOnly))
            {
                throw new RefusedException(
                    ExitCode.InUse, path, $"is attached to {loop.Path}", $"detach it with \"losetup -d {loop.Path}\", or use another file");
            }
        }
    }

    private bool Writes(DeviceNumber holder, DeviceNumber device)
    {
        foreach (DmListEntry entry in dm.List())
        {
            if (entry.Number == holder)
            {
                return !DmName.TryParse(entry.Name, out DmName? name)
                    || (dm.Find(name) is not { IsReadOnly: true }
                        && dm.Table(name).Any(line => LineWrites(line, device.ToString())));
            }
        }

        // Not a mapped device (RAID, bcache): nobody knows.
        return true;
    }

    private static bool LineWrites(in TargetLine line, string device)
    {
        string[] words = line.Parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < words.Length; i++)
        {
            bool onlyReads = line.Type switch
            {
                "cow" => i == 1 || (i > 3 && words[i - 1] == "layer"),
                "snapshot" => i == 0,
                _ => false,
            };
            if (words[i] == device && !onlyReads)
            {
                return true;
            }
        }

        return false;
    }
}
