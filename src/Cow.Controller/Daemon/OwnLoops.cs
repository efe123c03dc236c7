// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>
/// The loop devices that this process attached and has not detached: who looks for a file's loop then need not ask the kernel about each of thousands, nor
/// put them in order. Any thread.
/// </summary>
/// <remarks>Nobody else can give such a device another file meanwhile: the mapped device has it open.</remarks>
internal static class OwnLoops
{
    private static readonly Lock Gate = new();

    // Under the gate. By index.
    private static readonly Dictionary<int, LoopDeviceInfo> Known = [];

    /// <summary>One of them that is such; null where none is.</summary>
    public static LoopDeviceInfo? Find(Func<LoopDeviceInfo, bool> isSuch)
    {
        lock (Gate)
        {
            return Known.Values.FirstOrDefault(isSuch);
        }
    }

    /// <summary>The loop devices of the machine that somebody else gave a file.</summary>
    public static IReadOnlyList<LoopDeviceInfo> ListOthers() => LoopDevice.List(Has);

    /// <summary>A file was attached as a whole.</summary>
    public static void Add(LoopDevice loop, string file, bool readOnly)
    {
        (DeviceNumber device, ulong inode) = BlockDevice.IdentityOf(file);
        lock (Gate)
        {
            Known[loop.Index] = new LoopDeviceInfo(loop.Index, file, device, inode, 0, 0, readOnly);
        }
    }

    /// <summary>It is about to be detached.</summary>
    public static void Forget(int index)
    {
        lock (Gate)
        {
            _ = Known.Remove(index);
        }
    }

    /// <summary>The N of /dev/loopN.</summary>
    public static int IndexOf(string path) => int.Parse(path.AsSpan("/dev/loop".Length), CultureInfo.InvariantCulture);

    private static bool Has(int index)
    {
        lock (Gate)
        {
            return Known.ContainsKey(index);
        }
    }
}
