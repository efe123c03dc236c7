// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>A device that is up: its loop, its store, its table. Verbs come one at a time, from any thread but the loop's.</summary>
internal sealed class CowDevice : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly DmControl _dm;
    private readonly DmUuid _uuid;
    private readonly StateStore _states;
    private readonly DeviceRuntime _runtime;
    private readonly Collapse _collapse;
    private readonly ILogger _log;
    private DeviceState _state;
    private EngineStatus _lastStatus;
    private long _judgedAt = -1;
    private bool _closed;
    private bool _buried;

    public CowDevice(DmControl dm, StateStore states, DeviceState state, DeviceRuntime runtime, ILogger log)
    {
        _dm = dm;
        _states = states;
        _state = state;
        _runtime = runtime;
        _log = log;
        _uuid = MappedDevice.UuidOf(state.Spec.Name);
        _collapse = new Collapse(dm, _uuid, new DeviceTable(state), runtime.Geometry, state.Spec.Segments, state.Spec.ReadOnly);
    }

    public string Name => _state.Spec.Name;

    /// <summary>Nothing of it is left in the kernel: its mapped device was removed by hand.</summary>
    public bool Orphaned => _dm.Find(_uuid) is null;

    /// <summary>Whether a tick need look for that: else the kernel tells. Any thread.</summary>
    public bool MayBeOrphaned => _runtime.Loop.Detached;

    /// <summary>
    /// Whether a tick may find anything to do. Any thread; it neither waits nor allocates, since each device is asked each second. What is read here
    /// without the lock may be old by a moment, and the next second sees it.
    /// </summary>
    public bool TickDue => MayBeOrphaned || MayCollapse;

    /// <summary>Something happened since it was judged last: where nothing did, the loop's thread is not woken.</summary>
    private bool MayCollapse =>
        _runtime.Loop.Handled != _judgedAt && !_runtime.Loop.Ended.IsCompleted && _state.Phase == DevicePhase.Active && !_state.Spec.ReadOnly
        && _collapse.Due;

    /// <summary>Takes over the table of a device that is up already.</summary>
    public bool AdoptTable() => _collapse.Adopt();

    public DeviceReport Report()
    {
        EngineStatus engine = Ask();
        DmDeviceInfo? info = _dm.Find(_uuid);
        KernelCounters kernel = info is null ? KernelCounters.Parse([]) : KernelCounters.Parse(_dm.Status(_uuid));
        bool lost = _runtime.Loop.Ended.IsCompleted;
        string? problem = info is null ? "the mapped device was removed by hand"
            : lost ? "no controller serves it (it was taken over, the channel failed, or memory is used up: see the daemon's log)"
            : info.IsSuspended && StaysSuspended() ? $"it is suspended: all reads and writes wait until \"dmsetup resume {info.Name}\""
            : engine.Gone && !_collapse.AllLinear ? "its table was replaced by hand"
            : engine.Problem ?? (kernel.Mode == "rw" ? null : KernelProblem(kernel.Mode));
        return DeviceReports.Make(_state, _runtime, _collapse, engine, kernel, lost, problem);
    }

    public ExplainReport Explain(ulong sector)
    {
        if (sector >= _runtime.Geometry.Sectors)
        {
            throw new RefusedException(ExitCode.Usage, $"sector {sector}", $"is beyond the end of {Name}", $"use 0 to {_runtime.Geometry.Sectors - 1}");
        }

        ulong chunk = _runtime.Geometry.ChunkOf(sector);
        bool uncommitted = false;
        Extent where = _runtime.Loop.Ask((engine, _) => engine.Where(chunk, out uncommitted)).GetAwaiter().GetResult();
        return DeviceReports.Explain(_state, _runtime.Geometry, sector, where, uncommitted, _collapse.LineOf(sector).Linear);
    }

    /// <summary>Collapses what is committed, after a commit.</summary>
    public CompactReport Compact()
    {
        lock (_gate)
        {
            if (_collapse.Obstacle is { } obstacle)
            {
                throw new RefusedException(ExitCode.InUse, Name, obstacle, "finish that, or remove the device and create it again with its store");
            }

            ulong left = CommitAll();
            return left == 0
                ? _collapse.Run(_runtime.Loop, force: true)
                : throw new RefusedException(ExitCode.BadStore, Name, $"{left} changes cannot be committed", "see \"cowctl status\" for the reason");
        }
    }

    /// <summary>Now and then: collapses when it pays.</summary>
    public void Tick()
    {
        lock (_gate)
        {
            if (!MayCollapse)
            {
                return;
            }

            _judgedAt = _runtime.Loop.Handled;
            EngineStatus engine = Ask();
            if (engine.Mode == EngineMode.ReadWrite && _collapse.MayPay(engine.PlacedChunks - Math.Min(engine.PlacedChunks, engine.UncommittedChunks))
                && _collapse.Obstacle is null)
            {
                CompactReport report = _collapse.Run(_runtime.Loop, force: false);
                DaemonLog.Collapsed(_log, Name, report.LinesBefore, report.LinesAfter, report.PauseMilliseconds);
            }
        }
    }

    /// <summary>Gives the store more room, and lets those go on who wait for it.</summary>
    public DeviceReport Extend(long? bytes)
    {
        lock (_gate)
        {
            DeviceRuntime.Extend(_state, bytes);
            _ = _runtime.Loop.Ask((engine, replies) =>
            {
                engine.Grow(replies);
                return true;
            }).GetAwaiter().GetResult();
        }

        return Report();
    }

    /// <summary>Ends the device. What it changed is committed before; where it cannot be, only force goes on.</summary>
    public void Remove(bool force)
    {
        lock (_gate)
        {
            if (_dm.Find(_uuid) is not null)
            {
                NotOpen();
                Committed(force);
                _state = _state with { Phase = DevicePhase.Removing };
                _states.Write(_state);
                RemoveMapped();
            }

            Bury(force);
        }
    }

    /// <summary>Commits everything, so that the device can be left up without a controller.</summary>
    public void Settle()
    {
        lock (_gate)
        {
            ulong left = _state.Spec.ReadOnly || _runtime.Loop.Ended.IsCompleted ? 0 : CommitAll();
            if (left > 0)
            {
                throw new RefusedException(
                    ExitCode.BadStore, Name, $"{left} changes cannot be committed: {Why()}", "repair its store, or remove it with --force");
            }
        }
    }

    /// <summary>The mapped device is gone: commits what the kernel still holds of it, and takes everything else away.</summary>
    public void Bury(bool force)
    {
        lock (_gate)
        {
            if (!_closed)
            {
                Drain(force);
                _closed = true;
                Close();
                _runtime.Dispose();
            }

            // What fails is tried again by the next one who wants it gone.
            if (!_buried)
            {
                PartsBuilder.Release(_state);
                _states.Forget(_state);
                _buried = true;
                DaemonLog.Device(_log, Name, "removed");
            }
        }
    }

    public void Dispose() => _runtime.Dispose();

    /// <summary>What the kernel still holds of a device that is gone.</summary>
    private void Drain(bool force)
    {
        bool done = SpinWait.SpinUntil(() => KernelHolds() == 0 || Ask().Mode != EngineMode.ReadWrite, Patience);
        ulong left = KernelHolds();
        if (left > 0 && force)
        {
            _ = _runtime.Loop.Ask((_, replies) => Abandon(replies)).GetAwaiter().GetResult();
        }
        else if (left > 0)
        {
            throw new RefusedException(
                ExitCode.BadStore, Name, done ? $"{left} changes cannot be committed: {Why()}" : "its changes are not committed in time",
                "repair its store, or lose them with --force");
        }
    }

    /// <summary>Leaves the store as its format calls clean. Where that fails, its next opening repairs it: everything is committed.</summary>
    private void Close()
    {
        try
        {
            if (Ask().Mode == EngineMode.ReadWrite)
            {
                _runtime.Close();
            }
        }
        catch (Exception e) when (e is IOException or ImageFormatException)
        {
            DaemonLog.Trouble(_log, Name, $"was not closed cleanly: {e.Message}");
        }
    }

    /// <summary>Not for a moment, by a swap of ours: that one has the gate.</summary>
    private bool StaysSuspended()
    {
        if (!_gate.TryEnter())
        {
            return false;
        }

        try
        {
            return _dm.Find(_uuid) is { IsSuspended: true };
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>The kernel steps down by itself where its own part of a flush fails.</summary>
    private static string KernelProblem(string mode) =>
        $"the kernel turned it {mode}: the CoW device could not be flushed, or somebody asked for it; \"dmesg\" tells";

    private static bool Abandon(ReplyBuffer replies)
    {
        replies.Abandon();
        return true;
    }

    /// <summary>The engine's own word; the last one when its thread is busy with a slow store, or has ended.</summary>
    private EngineStatus Ask()
    {
        Task<EngineStatus> asked = _runtime.Loop.Ask((engine, _) => engine.Status);
        try
        {
            _lastStatus = asked.Wait(TimeSpan.FromSeconds(2)) ? asked.Result : _lastStatus;
        }
        catch (AggregateException)
        {
            // The loop has ended.
        }

        return _lastStatus;
    }

    private CowListEntry? InKernel() => CowChannel.Find(Name);

    private ulong KernelHolds() => InKernel()?.Uncommitted ?? 0;

    /// <summary>One of us or the kernel has stepped down: as long as there is a table no commit will succeed.</summary>
    private bool CannotCommit() =>
        Ask().Mode != EngineMode.ReadWrite || _runtime.Loop.Ended.IsCompleted || (InKernel()?.State.HasFlag(CowState.ReadOnly) ?? false);

    private string Why() => Ask().Problem ?? (CannotCommit() ? KernelProblem("read-only") : "no commit came in time");

    /// <summary>Asks for a commit of all that is placed now.</summary>
    /// <returns>What the kernel holds uncommitted after that.</returns>
    private ulong CommitAll()
    {
        ulong commits = Ask().Commits;
        for (long end = Environment.TickCount64 + (long)Patience.TotalMilliseconds; Environment.TickCount64 < end;)
        {
            // Two commits later everything that was placed before the call is committed. What a writer adds meanwhile does not count, so
            // nobody looks a second time.
            if (KernelHolds() == 0 || Ask().Commits > commits + 1)
            {
                return 0;
            }

            if (CannotCommit())
            {
                break;
            }

            _ = _runtime.Loop.Ask((_, replies) =>
            {
                replies.Commit();
                return true;
            }).Wait(Patience);
            Thread.Sleep(5);
        }

        return KernelHolds();
    }

    private void Committed(bool force)
    {
        ulong left = _state.Spec.ReadOnly ? 0 : CommitAll();
        if (left > 0 && !force)
        {
            throw new RefusedException(
                ExitCode.BadStore, Name, $"{left} changes cannot be committed: {Why()}", "repair its store, or lose them with --force");
        }
    }

    /// <summary>udev opens devices for a moment, so one look is not enough.</summary>
    private void NotOpen()
    {
        for (int tries = 0; _dm.Find(_uuid) is { OpenCount: > 0 }; tries++)
        {
            if (tries == 10)
            {
                throw StillOpen();
            }

            Thread.Sleep(100);
        }
    }

    /// <summary>It stays, whoever began to remove it.</summary>
    private RefusedException StillOpen()
    {
        if (_state.Phase == DevicePhase.Removing)
        {
            _state = _state with { Phase = DevicePhase.Active };
            _states.Write(_state);
        }

        return new RefusedException(ExitCode.InUse, Name, "is open (mounted?)", "unmount it first");
    }

    private void RemoveMapped()
    {
        try
        {
            _dm.Remove(_uuid);
        }
        catch (LinuxException e) when (e.Errno == Errno.EBUSY)
        {
            throw StillOpen();
        }
        catch (LinuxException e) when (e.Errno == Errno.ENXIO)
        {
            // Somebody else was faster.
        }
    }
}
