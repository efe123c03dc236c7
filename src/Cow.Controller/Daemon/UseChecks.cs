// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>Who else uses what a device is to be made of, or a verb works on. For one creation: the loop devices of others are listed once for all of its
/// files.</summary>
/// <param name="dm">Says what lies on a base; asked for only where something does.</param>
internal sealed class UseChecks(Func<DmControl> dm)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private IReadOnlyList<LoopDeviceInfo>? _others;

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
                ExitCode.InUse, path, $"is mounted read-write at {where}", "unmount it, or mount it read-only: what is read must not change");
        }

        // Once for all holders: a golden image may have a thousand.
        IReadOnlyList<DeviceNumber> holders = BlockDevice.Holders(number);
        Dictionary<DeviceNumber, string> mapped = holders.Count == 0 ? [] : dm().List().ToDictionary(entry => entry.Number, entry => entry.Name);
        foreach (DeviceNumber holder in holders)
        {
            // One that is not mapped (RAID, bcache): nobody knows.
            if (!mapped.TryGetValue(holder, out string? name) || Writes(name, number))
            {
                throw new RefusedException(
                    ExitCode.InUse, path, $"is in use for writing by {BlockDevice.PathOf(holder)}", "remove that device first: what is read must not change");
            }
        }
    }

    /// <summary>A store is ours alone.</summary>
    public void Store(string path)
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

        Claim(path).Dispose();
    }

    /// <summary>
    /// What the daemon itself writes and flushes lies on no device that it serves: a daemon that is killed meanwhile does not end, as its flush waits for it,
    /// and the next one would wait for its own before it has begun to serve. A base, which it does not write, may.
    /// </summary>
    /// <param name="path">A store, or a part of one; it need not be there yet.</param>
    public static void NotOnOurs(string path)
    {
        if (MappedDevice.Below(path) is { } name)
        {
            throw new RefusedException(
                ExitCode.InUse, path, $"lies on the device {name}: the daemon, which serves both, would have to wait for itself",
                "use a disk or file system that lies on none of its devices; a base may");
        }
    }

    /// <summary>Makes a device ours alone until the handle is closed. The kernel knows of more users than we can look for: swap, and all that may be on a
    /// partition of a disk.</summary>
    public static SafeFileHandle Claim(string path)
    {
        SafeFileHandle? claim = null;
        // Who removed a mapped device a moment ago has the device under it closed a little later.
        return SpinWait.SpinUntil(() => (claim = BlockDevice.TryClaim(path)) is not null, Patience)
            ? claim!
            : throw new RefusedException(
                ExitCode.InUse, path, "it or a partition of it is mounted, swap, or part of another device",
                $"see \"lsblk {path}\", and free it or use another device");
    }

    private void NotAttached(string path, bool forWriting)
    {
        (DeviceNumber Device, ulong Inode) file = BlockDevice.IdentityOf(path);
        // Before our own: what becomes ours after this is found among them.
        _others ??= OwnLoops.ListOthers();
        if ((OwnLoops.Find(HasIt) ?? _others.FirstOrDefault(HasIt)) is { } loop)
        {
            throw new RefusedException(
                ExitCode.InUse, path, $"is attached to {loop.Path}", $"detach it with \"losetup -d {loop.Path}\", or use another file");
        }

        bool HasIt(LoopDeviceInfo loop) => (loop.Device, loop.Inode) == file && !(forWriting && loop.IsReadOnly);
    }

    private bool Writes(string holder, DeviceNumber device) => !DmName.TryParse(holder, out DmName? name)
        || (dm().Find(name) is not { IsReadOnly: true } && dm().Table(name).Any(line => LineWrites(line, device.ToString())));

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
