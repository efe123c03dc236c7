// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>What serves a device inside this process: store, locks, loop. Ends with it; the device itself need not.</summary>
internal sealed class DeviceRuntime : IDisposable
{
    private readonly ServedStore _store;
    private readonly ImageLocks _locks;

    /// <summary>Attaches to the ident of a device whose store is open.</summary>
    /// <param name="state">The device; its format, size and chunk are known.</param>
    /// <param name="store">Owned from now on.</param>
    /// <param name="locks">Owned from now on.</param>
    /// <param name="commitInterval">Of the background commits.</param>
    /// <param name="onGone">See <see cref="FaultLoop.OnGone"/>.</param>
    /// <param name="log">For the device.</param>
    public DeviceRuntime(DeviceState state, ServedStore store, ImageLocks locks, TimeSpan commitInterval, Action onGone, ILogger log)
    {
        _store = store;
        _locks = locks;
        Geometry = new ChunkGeometry(state.Sectors, state.ChunkSectors);
        Loop = Attach(state, store, commitInterval, onGone, log);
    }

    public ChunkGeometry Geometry { get; }

    public FaultLoop Loop { get; }

    /// <summary>From the attach until the kernel knew all that the store knows.</summary>
    public double AttachMilliseconds { get; private set; }

    /// <summary>Makes a CoW file, and the loop on it, as large as was asked for. A device is as large as it is.</summary>
    public static void Extend(DeviceState state, long? bytes)
    {
        if (BlockDevice.IsBlockDevice(state.Spec.Cow) || (state.Spec.Image is not null && bytes is null))
        {
            return;
        }

        if (state.Spec.Image is not null)
        {
            throw new RefusedException(ExitCode.Usage, state.Spec.Cow, "is a disk image, which grows by itself", "make room on its file system, and leave the size out");
        }

        if (state.Parts.Any(part => part.Path == state.Spec.Cow && !part.IsThere))
        {
            throw new RefusedException(
                ExitCode.BadStore, state.Spec.Cow, "is not the file that the device has, which has another name now or is gone", "give that its name back");
        }

        using (FileStream file = new(state.Spec.Cow, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            if (bytes < file.Length)
            {
                throw new RefusedException(ExitCode.Usage, state.Spec.Cow, $"is {file.Length} bytes long already", "give a larger size");
            }

            long length = bytes ?? file.Length;
            RequireWholeBlocks(state, length);
            file.SetLength(length);
        }

        // Not any loop on that file: somebody may have attached another one.
        using LoopDevice loop = LoopDevice.Open(OwnLoops.IndexOf(state.CowDevice));
        loop.SetCapacity();
    }

    /// <summary>The kernel makes no table live in which a device is not a whole number of the largest block that any of them has.</summary>
    private static void RequireWholeBlocks(DeviceState state, long bytes)
    {
        long block = ((string[])[state.BaseDevice!, state.CowDevice, .. state.LayerDevices]).Max(BlockOf);
        // Of a sector that is not whole the loop device has nothing.
        if (bytes / ChunkGeometry.SectorBytes % (block / ChunkGeometry.SectorBytes) != 0)
        {
            throw new RefusedException(
                ExitCode.Usage, state.Spec.Cow, $"{bytes} bytes are no whole number of blocks of {block} bytes, which its device has", "give a size that is one");
        }
    }

    private static long BlockOf(string device)
    {
        using SafeFileHandle handle = BlockDevice.OpenDirect(device, write: false);
        return BlockDevice.LogicalBlockSize(handle);
    }

    /// <summary>Ends the service of a device that is no more, everything committed: the store is left cleanly closed.</summary>
    /// <exception cref="IOException">It could not be; what was committed is safe all the same.</exception>
    public void Close()
    {
        Loop.Dispose();
        _store.Close();
    }

    public void Dispose()
    {
        Loop.Dispose();
        _store.Dispose();
        _locks.Dispose();
    }

    private FaultLoop Attach(DeviceState state, ServedStore store, TimeSpan commitInterval, Action onGone, ILogger log)
    {
        if (!state.Spec.ReadOnly)
        {
            // What a former controller wrote and did not flush counts only from now on.
            store.Format.Flush();
            if (!store.KeepMetadata())
            {
                DaemonLog.Warning(
                    log, $"{state.Spec.Name}: not all of the metadata of {state.Spec.Cow} could be given blocks: where its file system is full, a commit may fail");
            }
        }

        long start = Stopwatch.GetTimestamp();
        var engine = new CowEngine(store.Format, Geometry, store.Indices, store.Space, log)
        {
            WaitForSpace = state.Spec.NoSpace == NoSpacePolicy.Wait,
            Scratch = store.Scratch,
        };
        CowFeatures features = state.Spec.ReadOnly || state.Spec.NoGrants ? CowFeatures.None : engine.Grants.Wanted;
        KernelChannel channel = KernelChannel.Attach(state.Spec.Name, takeover: true, features | CowFeatures.Load);
        engine.Grants.Serve(channel.Info.Features);
        bool tellAll = store.TellAll && !channel.Info.State.HasFlag(CowState.Known);
        var options = new FaultLoopOptions(state.Spec.Name, Geometry, store.Indices, channel.Info.Generation, channel.Info.Features, tellAll, commitInterval);
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
