// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Io;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>Brings devices up: all of one, or nothing.</summary>
#pragma warning disable CA2000 // The unwinder owns what is open until the device does.
internal sealed class DeviceFactory(DmControl dm, StateStore states, FingerprintGuard fingerprints, Action<string> onGone, ILogger log)
{
    /// <summary>How long a place may stay uncommitted when nobody flushes.</summary>
    private static readonly TimeSpan CommitInterval = TimeSpan.FromSeconds(1);

    /// <summary>For all devices: what their images' tables take in memory does not grow with their number.</summary>
    private readonly MetadataCache _cache = new();

    /// <summary>Makes a device. When it returns, /dev/mapper/NAME exists; when it throws, nothing is left behind.</summary>
    public CowDevice Create(CreateSpec spec)
    {
        DmName name = Checked(spec);
        using var undo = new Unwinder(log);
        var locks = new ImageLocks();
        undo.Add("unlock the images", locks.Dispose);
        var parts = new PartsBuilder(states, undo, DeviceState.Of(spec));
        undo.Add("write the state", () => states.Delete(spec.Name));
        parts.Set(parts.State);
        ServedStore store = spec.Image is null
            ? OpenStore(parts, undo, spec, locks)
            : OpenImage(parts, undo, spec, locks);

        DmUuid uuid = MappedDevice.UuidOf(spec.Name);
        undo.Add($"create {name}", () => Unmap(uuid));
        parts.Set(parts.State);
        _ = dm.Create(name, uuid);
        LoadCow(uuid, parts.State);
        // Attached, adopted and loaded before the first request can come in: nothing ever reads base where the store has a place.
        var runtime = new DeviceRuntime(parts.State, store, locks, CommitInterval, () => onGone(spec.Name), log);
        undo.Add("attach", runtime.Loop.Dispose);
        // Before resume, which waits for udev: from then on there are users, and what they write is not undone.
        parts.Set(parts.State with { Phase = DevicePhase.Active });
        states.Configure(parts.State.Spec, undo);
        GoLive(uuid, spec.Name);
        undo.Keep();
        return new CowDevice(dm, states, parts.State, runtime, log);
    }

    /// <summary>Attaches to a device that a former daemon made.</summary>
    /// <param name="state">Its state, phase active.</param>
    public CowDevice Adopt(DeviceState state)
    {
        using var undo = new Unwinder(log);
        var locks = new ImageLocks();
        undo.Add("unlock the images", locks.Dispose);
        DmUuid uuid = MappedDevice.UuidOf(state.Spec.Name);
        DmDeviceInfo? mapped = dm.Find(uuid);
        RequireSame(state, mapped);
        bool known = CowChannel.Find(state.Spec.Name) is not null;
        bool unborn = mapped is { HasLiveTable: false };
        if (!known || unborn)
        {
            // All lines are linear, and nobody held the context: an inactive line brings it back, for as long as we hold it then. Or its maker was killed
            // just before the first table went live.
            LoadCow(uuid, state);
            undo.Add("load its line", () => dm.Clear(uuid));
        }

        ServedStore store = state.Spec.Image is null ? Reopen(state, locks) : ReopenImage(state, locks);
        undo.Add("open the store", store.Dispose);
        var runtime = new DeviceRuntime(state, store, locks, CommitInterval, () => onGone(state.Spec.Name), log);
        undo.Add("attach", runtime.Loop.Dispose);
        if (unborn)
        {
            if (states.ReadConfiguration(state.Spec.Name) is null)
            {
                states.Configure(state.Spec, undo);
            }

            GoLive(uuid, state.Spec.Name);
        }
        else if (!known)
        {
            _ = dm.Clear(uuid);
        }

        undo.Keep();
        return new CowDevice(dm, states, state, runtime, log);
    }

    /// <summary>Takes back what a daemon that died had begun.</summary>
    public void Undo(DeviceState state)
    {
        Unmap(MappedDevice.UuidOf(state.Spec.Name));
        PartsBuilder.Undo(state);
        states.Delete(state.Spec.Name);
    }

    /// <summary>All that is adopted is what it was, before any of it is opened.</summary>
    private void RequireSame(DeviceState state, DmDeviceInfo? mapped)
    {
        PartIdentity.Require(state.Parts.Where(part => OpenedAgain(state, part)), state.Spec.Name);
        if (mapped is not null && new DeviceTable(state).IsOthers(dm.Table(MappedDevice.UuidOf(state.Spec.Name))))
        {
            throw new RefusedException(
                ExitCode.BadStore, state.Spec.Name, "its table was replaced by hand, by one over other devices",
                $"load the former one, or lose what is not committed with \"cowctl remove --force {state.Spec.Name}\"");
        }
    }

    /// <summary>The files of a store's base and layers are not: their loop devices have them, and their names may be given to the next golden image.</summary>
    private static bool OpenedAgain(DeviceState state, PartIdentity part) =>
        part.Device is not null || state.Spec.Image is not null || part.Path == state.Spec.Cow;

    /// <summary>From here on there are users. Where only its node cannot be made, it is kept all the same, with what they have written.</summary>
    private void GoLive(DmUuid uuid, string name)
    {
        try
        {
            _ = dm.Resume(uuid, SuspendFlags.None);
        }
        catch (IOException e) when (dm.Find(uuid) is { HasLiveTable: true })
        {
            DaemonLog.Trouble(log, name, $"is up, and has no node: {e.Message}");
        }
    }

    private void Unmap(DmUuid uuid)
    {
        if (dm.Find(uuid) is not null)
        {
            dm.Remove(uuid);
        }
    }

    private void LoadCow(DmUuid uuid, DeviceState state) => dm.Load(
        uuid, new DeviceTable(state).ToKernel([new PlannedLine(0, state.Sectors, Linear: false, 0, 0)]), state.Spec.ReadOnly);

    private DmName Checked(CreateSpec spec)
    {
        if (!DmName.TryParse(spec.Name, out DmName? name) || spec.Name.Length > MappedDevice.LongestName)
        {
            throw new RefusedException(
                ExitCode.Usage, spec.Name, "is not a device name", $"use 1 to {MappedDevice.LongestName} letters, digits and #+-.:=@_");
        }

        if (dm.Find(name) is not null)
        {
            throw new RefusedException(ExitCode.InUse, spec.Name, "there is a mapped device of this name already", "choose another name, or remove that one");
        }

        if (dm.Find(MappedDevice.UuidOf(spec.Name)) is { } renamed)
        {
            throw new RefusedException(ExitCode.InUse, spec.Name, $"is the mapped device {renamed.Name} now", "choose another name, or remove that one");
        }

        if (states.Read(spec.Name) is not null || CowChannel.Find(spec.Name) is { Uncommitted: > 0 })
        {
            throw new RefusedException(
                ExitCode.InUse, spec.Name, "what is left of a device of this name is not in its store yet", "see \"cowctl status\", or choose another name");
        }

        if (!dm.Targets().Any(target => target.Name == "cow"))
        {
            throw new RefusedException(ExitCode.NoModule, spec.Name, "the kernel has no target \"cow\"", "load the module: modprobe dm-cow");
        }

        if (spec.Image is not null)
        {
            return name;
        }

        _ = StoreOpener.Chunk(spec, StoreOpener.DriverFor(spec));
        return spec.Base is not null
            ? name
            : throw new RefusedException(ExitCode.Usage, spec.Name, "has no base", "give a base device or file");
    }

    private void Resolve(PartsBuilder parts, CreateSpec spec, ImageLocks locks)
    {
        string basePath = PartsBuilder.Existing(spec.Base!);
        bool exists = PartsBuilder.Exists(spec.Cow);
        if (FileIdentity.AreSame(spec.Cow, basePath))
        {
            throw new RefusedException(ExitCode.Usage, spec.Cow, "is the base itself", "give another device or file for the changes");
        }

        if (!spec.ReadOnly)
        {
            UseChecks.NotOnOurs(spec.Cow);
        }

        if (!exists)
        {
            MayMakeFile(spec);
        }

        var uses = new UseChecks(() => dm);
        uses.Base(basePath);
        parts.Base(basePath);
        ulong bytes = SizeOf(parts, spec) * ChunkGeometry.SectorBytes;
        if (exists)
        {
            uses.Store(spec.Cow);
        }
        else
        {
            parts.CreateFile(spec.Cow, checked((long)Room(spec, bytes).TotalBytes));
        }

        Lock(locks, spec);
        parts.Cow(spec.Cow, spec.ReadOnly);
        Bitmap(parts, uses, spec, bytes);
        parts.Layers(spec.Layers);
    }

    private static void MayMakeFile(CreateSpec spec)
    {
        StoreOpener.MayMake(spec, spec.Cow);
        if (spec.Cow.StartsWith("/dev/", StringComparison.Ordinal) || spec.ReadOnly)
        {
            throw new RefusedException(ExitCode.NotFound, spec.Cow, "does not exist", "check the path");
        }
    }

    private static void Bitmap(PartsBuilder parts, UseChecks uses, CreateSpec spec, ulong bytes)
    {
        if (spec.BitmapDevice is not { } bitmap)
        {
            return;
        }

        if (!spec.ReadOnly)
        {
            UseChecks.NotOnOurs(bitmap);
        }

        if (!PartsBuilder.Exists(bitmap))
        {
            StoreOpener.MayMake(spec, bitmap);
            long room = checked((long)Room(spec, bytes).MetadataBytes);
            parts.CreateFile(bitmap, (room + ChunkGeometry.SectorBytes - 1) / ChunkGeometry.SectorBytes * ChunkGeometry.SectorBytes);
        }
        else
        {
            uses.Store(bitmap);
        }

        parts.Bitmap(bitmap, spec.ReadOnly);
    }

    private static SpaceEstimate Room(CreateSpec spec, ulong bytes)
    {
        IFormatDriver driver = StoreOpener.DriverFor(spec);
        return driver.Estimate(new CreateOptions(bytes, StoreOpener.Chunk(spec, driver) ?? driver.DefaultChunkSectors));
    }

    private static ulong SizeOf(PartsBuilder parts, CreateSpec spec)
    {
        using var handle = BlockDevice.OpenDirect(parts.State.BaseDevice!, write: false);
        ulong sectors = BlockDevice.SizeBytes(handle) / ChunkGeometry.SectorBytes;
        ulong wanted = spec.SizeSectors ?? sectors;
        if (sectors == 0 || wanted > sectors)
        {
            throw new RefusedException(
                ExitCode.Usage, spec.Base!, $"has {sectors} sectors, {Math.Max(wanted, 1)} are asked for", "give a smaller --size, or a larger base");
        }

        parts.Set(parts.State with { Sectors = wanted });
        return wanted;
    }

    /// <summary>Whether the base is still what has its name: else the name is another's business.</summary>
    private static bool HasItsBase(DeviceState state) =>
        state.Parts.FirstOrDefault(part => part.Path == state.Spec.Base) is { } part ? part.IsThere : File.Exists(state.Spec.Base);

    private static void Lock(ImageLocks locks, CreateSpec spec, bool andBase = true)
    {
        if (andBase)
        {
            locks.LockBase(spec.Base!);
        }

        locks.LockStore(spec.Cow);
    }

    private static OpenedStore Reopen(DeviceState state, ImageLocks locks)
    {
        Lock(locks, state.Spec, HasItsBase(state));
        var store = new OpenedStore(state, state.Spec.ReadOnly);
        try
        {
            StoreOpener.Reopen(store, state);
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    private ImageStore ReopenImage(DeviceState state, ImageLocks locks)
    {
        locks.Lock(state.Spec.Cow, !state.Spec.ReadOnly);
        // Not probed again: a guest can write what looks like another format.
        ImageStore store = ImageStore.Open(state.Spec with { Format = state.Format }, _cache, locks.Lock, state);
        try
        {
            store.Serve(state);
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    private ImageStore OpenImage(PartsBuilder parts, Unwinder undo, CreateSpec spec, ImageLocks locks)
    {
        var image = new ImageParts(parts, undo, new UseChecks(() => dm), locks);
        ImageStore store = image.Open(spec, (asked, claim) => ImageStore.Open(asked, _cache, claim));
        if (store.Chain.LayerPaths is [.., string bottom])
        {
            BaseFingerprint now = FingerprintGuard.Take(bottom, parts.State.BaseDevice!);
            fingerprints.CheckBacking(spec, now, image.Made);
            parts.Set(parts.State with { Spec = spec with { Fingerprint = now } });
        }

        return store;
    }

    private OpenedStore OpenStore(PartsBuilder parts, Unwinder undo, CreateSpec spec, ImageLocks locks)
    {
        Resolve(parts, spec, locks);
        var store = new OpenedStore(parts.State, spec.ReadOnly);
        undo.Add("open the store", store.Dispose);
        string format = StoreOpener.OpenOrCreate(store, spec, parts.State.Sectors * ChunkGeometry.SectorBytes);
        BaseFingerprint now = FingerprintGuard.Take(spec.Base!, parts.State.BaseDevice!);
        fingerprints.Check(spec, now, empty: store.Format.Usage.PlacedChunks == 0);
        parts.Set(parts.State with { Spec = spec with { Fingerprint = now }, Format = format, ChunkSectors = store.Format.Info.ChunkSectors });
        return store;
    }
}
