// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>What serves a device inside this process: store, locks, loop. Ends with it; the device itself need not.</summary>
internal sealed class DeviceRuntime : IDisposable
{
    private readonly OpenedStore _store;
    private readonly DeviceSpaceKeeper _space;
    private readonly ImageLocks _locks;

    /// <summary>Attaches to the ident of a device whose store is open.</summary>
    /// <param name="state">The device; its format, size and chunk are known.</param>
    /// <param name="store">Owned from now on.</param>
    /// <param name="locks">Owned from now on.</param>
    /// <param name="commitInterval">Of the background commits.</param>
    /// <param name="onGone">See <see cref="FaultLoop.OnGone"/>.</param>
    /// <param name="log">For the device.</param>
    public DeviceRuntime(DeviceState state, OpenedStore store, ImageLocks locks, TimeSpan commitInterval, Action onGone, ILogger log)
    {
        _store = store;
        _locks = locks;
        Geometry = new ChunkGeometry(state.Sectors, state.ChunkSectors);
        var indices = new DeviceIndices(state.LayerDevices.Count);
        _space = new DeviceSpaceKeeper(state.CowDevice, BlockDevice.IsBlockDevice(state.Spec.Cow) ? null : state.Spec.Cow, state.Spec.ReadOnly);
        try
        {
            Loop = Attach(state, store, indices, commitInterval, onGone, log);
        }
        catch
        {
            _space.Dispose();
            throw;
        }
    }

    public ChunkGeometry Geometry { get; }

    public FaultLoop Loop { get; }

    /// <summary>From the attach until the kernel knew all that the store knows.</summary>
    public double AttachMilliseconds { get; private set; }

    /// <summary>Makes a CoW file, and the loop on it, as large as was asked for. A device is as large as it is.</summary>
    public static void Extend(DeviceState state, long? bytes)
    {
        if (BlockDevice.IsBlockDevice(state.Spec.Cow))
        {
            return;
        }

        using (FileStream file = new(state.Spec.Cow, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            if (bytes < file.Length)
            {
                throw new RefusedException(ExitCode.Usage, state.Spec.Cow, $"is {file.Length} bytes long already", "give a larger size");
            }

            file.SetLength(bytes ?? file.Length);
        }

        using LoopDevice? loop = LoopDevice.FindByBackingFile(state.Spec.Cow);
        loop?.SetCapacity();
    }

    public void Dispose()
    {
        Loop.Dispose();
        _store.Dispose();
        _space.Dispose();
        _locks.Dispose();
    }

    private FaultLoop Attach(
        DeviceState state, OpenedStore store, DeviceIndices indices, TimeSpan commitInterval, Action onGone, ILogger log)
    {
        if (!state.Spec.ReadOnly)
        {
            // What a former controller wrote and did not flush counts only from now on.
            store.Format.Flush();
        }

        long start = Stopwatch.GetTimestamp();
        KernelChannel channel = KernelChannel.Attach(state.Spec.Name, takeover: true);
        var engine = new CowEngine(store.Format, Geometry, indices, _space, log) { WaitForSpace = state.Spec.NoSpace == NoSpacePolicy.Wait };
        var options = new FaultLoopOptions(
            state.Spec.Name, Geometry, indices, channel.Info.Generation, !channel.Info.State.HasFlag(CowState.Known), commitInterval);
        FaultLoop? loop = new(channel, engine, store.Format, options, log) { OnGone = onGone };
        try
        {
            loop.Start();
            loop.Loaded.GetAwaiter().GetResult();
            AttachMilliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            FaultLoop attached = loop;
            loop = null;
            return attached;
        }
        finally
        {
            loop?.Dispose();
        }
    }
}
