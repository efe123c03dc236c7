// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;
using System.Globalization;
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>
/// The loop devices that this process attached and has not detached: who looks for a file's loop then need not ask the kernel about each of thousands. Any
/// thread.
/// </summary>
/// <remarks>Nobody else can give such a device another file meanwhile: the mapped device has it open.</remarks>
internal static class OwnLoops
{
    private static readonly ConcurrentDictionary<int, LoopDeviceInfo> Known = new();

    /// <summary>All loop devices of the machine that have a file behind them.</summary>
    public static IReadOnlyList<LoopDeviceInfo> List() => LoopDevice.List(static index => Known.GetValueOrDefault(index));

    /// <summary>A file was attached as a whole.</summary>
    public static void Add(LoopDevice loop, string file, bool readOnly)
    {
        (DeviceNumber device, ulong inode) = BlockDevice.IdentityOf(file);
        Known[loop.Index] = new LoopDeviceInfo(loop.Index, file, device, inode, 0, 0, readOnly);
    }

    /// <summary>It is about to be detached.</summary>
    public static void Forget(int index) => _ = Known.TryRemove(index, out _);

    /// <summary>The N of /dev/loopN.</summary>
    public static int IndexOf(string path) => int.Parse(path.AsSpan("/dev/loop".Length), CultureInfo.InvariantCulture);
}
