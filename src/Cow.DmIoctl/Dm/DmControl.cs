// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>
/// The device-mapper, through /dev/mapper/control. Needs CAP_SYS_ADMIN. Every call has its own buffer, so one object
/// serves all threads. What the kernel refuses is a <see cref="LinuxException"/> with both headers in it; a device
/// that does not exist is ENXIO. Semantics: linux/dm-ioctl.h.
/// </summary>
public sealed class DmControl : IDisposable
{
    private const int BusyPauseMs = 200;

    // A message is sent again when its output was cut off; large from the start, that does not happen.
    private const int MessageRoom = 128 * 1024;

    private readonly DmCaller _caller;
    private readonly DmNodes _nodes = new("/dev/mapper");

    private DmControl(DmCaller caller) => _caller = caller;

    /// <summary>Opens the control node; a missing one says how to load the driver.</summary>
    public static DmControl Open() => new(DmCaller.Open());

    /// <summary>Version of the ioctl interface that the kernel has.</summary>
    public (uint Major, uint Minor, uint Patch) Version()
    {
        using var buffer = _caller.Run(new DmRequest(DmCommand.Version, null));
        var version = buffer.Header.Version;
        return (version[0], version[1], version[2]);
    }

    /// <summary>The target types that are loaded.</summary>
    public IReadOnlyList<DmTargetVersion> Targets()
    {
        using var buffer = _caller.Run(new DmRequest(DmCommand.ListVersions, null));
        return new DmAnswer(DmCommand.ListVersions.Name, buffer.All).Versions();
    }

    /// <summary>All mapped devices.</summary>
    public IReadOnlyList<DmListEntry> List()
    {
        using var buffer = _caller.Run(new DmRequest(DmCommand.ListDevices, null) { Flags = DmFlags.Uuid });
        return new DmAnswer(DmCommand.ListDevices.Name, buffer.All).Devices();
    }

    /// <summary>
    /// Makes a device without a table. Without udev its node exists on return; with udev the first
    /// <see cref="Resume"/> brings it, as udev makes no node for a device that has no table.
    /// </summary>
    /// <param name="name">Its name; EBUSY where it is taken.</param>
    /// <param name="uuid">Its unique id; null for none. EBUSY where another device has it.</param>
    public DmDeviceInfo Create(DmName name, DmUuid? uuid)
    {
        ArgumentNullException.ThrowIfNull(name);
        var info = _caller.Simple(new DmRequest(DmCommand.Create, name) { Uuid = uuid });
        if (!UdevCookie.UdevRuns)
        {
            _nodes.Ensure(name, info.Number);
        }

        return info;
    }

    /// <summary>Loads a table into the inactive slot; <see cref="Resume"/> makes it live.</summary>
    /// <param name="device">The device.</param>
    /// <param name="lines">The table, without gaps, from sector 0.</param>
    /// <param name="readOnly">Load it read-only (the constructors open their devices read-only too).</param>
    public void Load(DmKey device, IReadOnlyList<TargetLine> lines, bool readOnly)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(lines);
        using var buffer = DmTable.Build(lines);
        _caller.Call(buffer, new DmRequest(DmCommand.Load, device)
        {
            TargetCount = (uint)lines.Count,
            Flags = readOnly ? DmFlags.ReadOnly : DmFlags.None,
        });
    }

    /// <summary>Holds I/O back. Without NoFlush it waits for all I/O, also for what waits for a controller.</summary>
    /// <param name="device">The device.</param>
    /// <param name="flags">How.</param>
    public DmDeviceInfo Suspend(DmKey device, SuspendFlags flags)
    {
        ArgumentNullException.ThrowIfNull(device);
        return _caller.Simple(new DmRequest(DmCommand.Suspend, device) { Flags = DmFlags.Suspend | Flags(flags) });
    }

    /// <summary>
    /// Makes the inactive table live, if there is one, and lets I/O go on. A device that is not suspended is
    /// suspended for the swap, with these flags.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="flags">How; a controller uses <see cref="SuspendFlags.Quick"/> for its devices.</param>
    /// <param name="waitForNode">
    /// Return when /dev/mapper/NAME exists, after up to 30 s of udev (which reads the device). Not needed, and slow,
    /// for a reload of a device that has its node.
    /// </param>
    public DmDeviceInfo Resume(DmKey device, SuspendFlags flags, bool waitForNode = true)
    {
        ArgumentNullException.ThrowIfNull(device);
        bool udev = UdevCookie.UdevRuns;
        using var cookie = udev && waitForNode ? UdevCookie.Arm() : UdevCookie.Unarmed();
        var request = new DmRequest(DmCommand.Resume, device)
        {
            Flags = Flags(flags),
            EventNr = udev ? cookie.EventNr : 0,
        };
        var info = _caller.Simple(request, out var answered);
        if (!waitForNode || !DmName.TryParse(info.Name, out var name))
        {
            // A name that somebody else gave has its node from them.
            return info;
        }

        if (!udev)
        {
            _nodes.Ensure(name, info.Number);
            return info;
        }

        if (answered.HasFlag(DmFlags.UeventGenerated))
        {
            cookie.Wait(UdevCookie.Limit);
        }

        _nodes.EnsureInPlaceOfUdev(name, info.Number);
        return info;
    }

    /// <summary>Removes a device; its node is gone on return. ENXIO where there is no such device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="deferred">In use: remove it when its last user closes it, and return at once.</param>
    /// <param name="busyTries">In use: try so often, with 0.2 s between; udev opens devices for a moment.</param>
    public void Remove(DmKey device, bool deferred = false, int busyTries = 25)
    {
        ArgumentNullException.ThrowIfNull(device);
        var found = _caller.Simple(new DmRequest(DmCommand.Info, device));
        bool udev = UdevCookie.UdevRuns;
        using var cookie = udev ? UdevCookie.Arm() : UdevCookie.Unarmed();
        var request = new DmRequest(DmCommand.Remove, device)
        {
            Flags = deferred ? DmFlags.DeferredRemove : DmFlags.None,
            EventNr = udev ? cookie.EventNr : 0,
        };
        var answered = RemoveWhenFree(request, busyTries);
        if (udev && answered.HasFlag(DmFlags.UeventGenerated))
        {
            cookie.Wait(UdevCookie.Limit);
        }

        if (!answered.HasFlag(DmFlags.DeferredRemove) && DmName.TryParse(found.Name, out var name))
        {
            _nodes.Remove(name, found.Number);
        }
    }

    /// <summary>Drops the inactive table, if there is one.</summary>
    /// <param name="device">The device.</param>
    public DmDeviceInfo Clear(DmKey device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return _caller.Simple(new DmRequest(DmCommand.Clear, device));
    }

    /// <summary>What the kernel knows of a device; null where there is none.</summary>
    /// <param name="device">The device.</param>
    public DmDeviceInfo? Find(DmKey device)
    {
        ArgumentNullException.ThrowIfNull(device);
        try
        {
            return _caller.Simple(new DmRequest(DmCommand.Info, device));
        }
        catch (LinuxException e) when (e.Errno == Errno.ENXIO)
        {
            return null;
        }
    }

    /// <summary>The table that is loaded, as its targets print it; empty where there is none.</summary>
    /// <param name="device">The device.</param>
    /// <param name="inactive">The table that waits for resume in place of the live one.</param>
    public IReadOnlyList<TargetLine> Table(DmKey device, bool inactive = false)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Lines(device, DmFlags.StatusTable | DmFlags.NoFlush | (inactive ? DmFlags.QueryInactive : DmFlags.None));
    }

    /// <summary>What the targets of the live table report, a line each; empty where there is no table.</summary>
    /// <param name="device">The device.</param>
    /// <param name="noFlush">Do not let targets commit first (thin does).</param>
    public IReadOnlyList<TargetLine> Status(DmKey device, bool noFlush = true)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Lines(device, noFlush ? DmFlags.NoFlush : DmFlags.None);
    }

    /// <summary>Sends a message to the target that serves a sector.</summary>
    /// <param name="device">The device.</param>
    /// <param name="at">The sector.</param>
    /// <param name="message">Words separated by blanks.</param>
    /// <returns>What the target answers; null where it answers nothing.</returns>
    public string? Message(DmKey device, Sectors at, string message)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(message);
        using var buffer = _caller.Run(new DmRequest(DmCommand.Message, device), MessageRoom, data =>
        {
            int text = Unsafe.SizeOf<DmTargetMsg>();
            MemoryMarshal.Write(data, new DmTargetMsg { Sector = at.Value });
            CText.Write(message, data[text..]);
        });
        return new DmAnswer(DmCommand.Message.Name, buffer.All).Output();
    }

    /// <summary>The devices that the live table uses; empty where there is no table.</summary>
    /// <param name="device">The device.</param>
    public IReadOnlyList<DeviceNumber> Deps(DmKey device)
    {
        ArgumentNullException.ThrowIfNull(device);
        using var buffer = _caller.Run(new DmRequest(DmCommand.Deps, device));
        return new DmAnswer(DmCommand.Deps.Name, buffer.All).Dependencies();
    }

    /// <summary>
    /// Blocks until the device has had more events than the caller knows of; its removal is one. Nothing else ends
    /// the call, so it belongs on a thread of its own.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="eventNr">Events that the caller knows of (<see cref="DmDeviceInfo.EventNr"/>).</param>
    /// <returns>Events there were.</returns>
    public uint WaitEvent(DmKey device, uint eventNr)
    {
        ArgumentNullException.ThrowIfNull(device);
        var request = new DmRequest(DmCommand.Wait, device) { EventNr = eventNr, Flags = DmFlags.NoFlush };
        using var buffer = new DmBuffer(DmCaller.UsualRoom);
        _caller.Call(buffer, request);
        return buffer.Header.EventNr;
    }

    /// <summary>Closes the control node; devices stay.</summary>
    public void Dispose() => _caller.Dispose();

    private static DmFlags Flags(SuspendFlags flags) =>
        (flags.HasFlag(SuspendFlags.NoFlush) ? DmFlags.NoFlush : DmFlags.None)
        | (flags.HasFlag(SuspendFlags.SkipLockFs) ? DmFlags.SkipLockFs : DmFlags.None);

    private DmFlags RemoveWhenFree(DmRequest request, int tries)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                _caller.Simple(request, out var answered);
                return answered;
            }
            catch (LinuxException e) when (e.Errno == Errno.EBUSY && attempt < tries)
            {
                Thread.Sleep(BusyPauseMs);
            }
        }
    }

    private List<TargetLine> Lines(DmKey device, DmFlags flags)
    {
        using var buffer = _caller.Run(new DmRequest(DmCommand.Status, device) { Flags = flags });
        var present = flags.HasFlag(DmFlags.QueryInactive) ? DmFlags.InactivePresent : DmFlags.ActivePresent;
        return buffer.Header.Flags.HasFlag(present)
            ? new DmAnswer(DmCommand.Status.Name, buffer.All).Lines()
            : [];
    }
}
