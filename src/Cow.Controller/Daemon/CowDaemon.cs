// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;
using System.Diagnostics;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>
/// All devices of one process. It must never need one of them to make progress: memory locked, no log and no state file on a device that it serves,
/// no allocation between a request and its reply.
/// </summary>
internal sealed class CowDaemon : IDisposable
{
    /// <summary>Devices that are brought up at a time: they wait for disks more than they compute.</summary>
    private const int AtOnce = 8;

    /// <summary>Where none of them has come up for so long, nobody waits any more: they hang, or are read and repaired for minutes.</summary>
    private const int HangingSeconds = 30;

    private static readonly TimeSpan TickEvery = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, CowDevice> _devices = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Pending> _pending = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Lock> _names = new(StringComparer.Ordinal);
    private readonly ManualResetEventSlim _recovered = new();
    private readonly ManualResetEventSlim _stop = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly StateStore _states;
    private readonly DeviceFactory _factory;
    private readonly Recovery _recovery;
    private readonly Ticker<Pending> _tries;
    private readonly ILogger _log;
    private readonly bool _pinned;

    public CowDaemon(DmControl dm, DaemonPaths paths, bool pinned, ILogger log)
    {
        _pinned = pinned;
        _log = log;
        _states = new StateStore(paths, log);
        _factory = new DeviceFactory(dm, _states, new FingerprintGuard(paths, log), OnGone, log);
        _recovery = new Recovery(dm, _states, _factory, log);
        _tries = new Ticker<Pending>(static pending => pending.IsDue(Environment.TickCount64), Attempt);
    }

    /// <summary>Runs the daemon in this process until it is stopped.</summary>
    /// <param name="takeover">Kill the daemon that runs and wait for its end: then it writes nothing any more.</param>
    /// <param name="stop">Ends it gracefully.</param>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public static int Run(bool takeover, CancellationToken stop) => (int)new DaemonProgram(DaemonPaths.Default, takeover).Run(stop);

    /// <summary>Takes over what a former daemon left, and creates what is configured to exist. A device whose disk or file system does not answer comes up
    /// when that does, and the others need not wait for it.</summary>
    public void Recover()
    {
        List<DeviceState> left = _states.ReadAll();
        _recovery.Fence(left);
        foreach (DeviceState state in left)
        {
            _pending[state.Spec.Name] = new Pending(state.Spec, state);
        }

        AttemptDue();
        // Whoever deals with what was left of a device deals with its configuration, too, be it later.
        HashSet<string> names = [.. left.Select(static state => state.Spec.Name)];
        foreach (CreateSpec spec in _states.ReadConfigurations().Where(spec => !names.Contains(spec.Name)))
        {
            _pending[spec.Name] = new Pending(spec, state: null);
        }

        AttemptAll();
        _recovered.Set();
    }

    /// <summary>Looks after the devices until somebody asks for the end.</summary>
    public void Serve(CancellationToken stop)
    {
        WaitHandle[] ends = [_stop.WaitHandle, stop.WaitHandle];
        var ticker = new Ticker<CowDevice>(static device => device.TickDue, Tick);
        while (WaitHandle.WaitAny(ends, TickEvery) == WaitHandle.WaitTimeout)
        {
            // Not its Values, which are a copy.
            foreach (KeyValuePair<string, CowDevice> entry in _devices)
            {
                _ = ticker.Offer(entry.Value);
            }

            foreach (KeyValuePair<string, Pending> entry in _pending)
            {
                _ = _tries.Offer(entry.Value);
            }
        }
    }

    /// <summary>Answers one request. Every failure is a value.</summary>
    public Response Answer(Request request)
    {
        Response response = new();
        if (request.Verb != Verbs.Ping)
        {
            _recovered.Wait();
        }

        Failure? failure = Try(request.Name ?? request.Create?.Name ?? "daemon", () => response = Do(request));
        return failure is null ? response : new Response(Error: failure);
    }

    /// <summary>Commits what can be, and lets go of all devices; they stay up.</summary>
    public void Leave()
    {
        foreach (CowDevice device in _devices.Values)
        {
            if (Try(device.Name, device.Settle) is { } failure)
            {
                DaemonLog.Trouble(_log, device.Name, failure.Reason);
            }

            device.Dispose();
        }

        _devices.Clear();
    }

    public void Dispose()
    {
        _recovered.Dispose();
        _stop.Dispose();
    }

    private Response Do(Request request) => request.Verb switch
    {
        Verbs.Ping => new(Daemon: Report()),
        Verbs.Create => new(Devices: [Create(request.Create ?? throw new ArgumentException("a create without a specification"))]),
        Verbs.Remove => Remove(Named(request), request.Force),
        Verbs.List => new(Devices: [.. _devices.Values.Select(device => device.Report()).Concat(_pending.Values.Select(DeviceReports.Make))
            .OrderBy(device => device.Name, StringComparer.Ordinal)]),
        Verbs.Status when request.Name is null => Do(request with { Verb = Verbs.List }),
        Verbs.Status when _pending.TryGetValue(Named(request), out Pending? pending) => new(Devices: [DeviceReports.Make(pending)]),
        Verbs.Status => new(Devices: [Find(Named(request)).Report()]),
        Verbs.Explain => new(Explanation: Find(Named(request)).Explain(request.Sector ?? throw new ArgumentException("no sector"))),
        Verbs.Compact => new(Compaction: Find(Named(request)).Compact()),
        Verbs.Extend => new(Devices: [Find(Named(request)).Extend(request.Bytes)]),
        Verbs.Stop => Stop(),
        _ => throw new ArgumentException($"\"{request.Verb}\" is no verb of this daemon"),
    };

    private DaemonReport Report()
    {
        using Process self = Process.GetCurrentProcess();
        return new DaemonReport(
            Environment.ProcessId, Cli.ProductVersion.Text, Stopwatch.GetElapsedTime(_start).TotalSeconds, _devices.Count, self.WorkingSet64, _pinned);
    }

    private DeviceReport Create(CreateSpec spec)
    {
        lock (_names.GetOrAdd(spec.Name, _ => new Lock()))
        {
            Reap(spec.Name);
            return Keep(_factory.Create(spec), "created").Report();
        }
    }

    /// <summary>It is up: from now on it is looked after, and no longer tried.</summary>
    private CowDevice Keep(CowDevice device, string how)
    {
        _devices[device.Name] = device;
        _ = _pending.TryRemove(device.Name, out _);
        DaemonLog.Device(_log, device.Name, how);
        return device;
    }

    /// <summary>One may be the base of another, whatever their names: as long as some come up, those that did not are tried again.</summary>
    private void AttemptAll()
    {
        for (int before = -1; _devices.Count > before;)
        {
            before = _devices.Count;
            AttemptDue();
            foreach (Pending pending in _pending.Values)
            {
                pending.Hurry();
            }
        }
    }

    private void AttemptDue()
    {
        var tries = new SideBySide(AtOnce, TimeSpan.FromSeconds(1), HangingSeconds);
        foreach (Pending pending in _pending.Values.OrderBy(pending => pending.Name, StringComparer.Ordinal))
        {
            if (pending.IsDue(Environment.TickCount64))
            {
                ServiceManager.NextDevice();
                tries.Begin(() => _tries.Offer(pending));
            }
        }

        tries.Wait();
    }

#pragma warning disable CA1031 // What is in one device's way must not keep the others from being served.
    private void Attempt(Pending pending)
    {
        lock (_names.GetOrAdd(pending.Name, _ => new Lock()))
        {
            if (!_pending.TryGetValue(pending.Name, out Pending? now) || now != pending)
            {
                return;
            }

            pending.Tried();
            try
            {
                BringUp(pending);
            }
            catch (Exception e)
            {
                Failure failure = RefusedException.Of(e, pending.Name);
                if (pending.Failed(failure, Environment.TickCount64))
                {
                    DaemonLog.Trouble(_log, pending.Name, pending.Problem);
                    Defect(failure, e, pending.Name);
                }
            }
        }
    }
#pragma warning restore CA1031

#pragma warning disable CA2000 // Kept.
    private void BringUp(Pending pending)
    {
        CowDevice? device = pending.State is { } state ? _recovery.Recover(state) : _factory.Create(pending.Spec);
        if (device is not null)
        {
            _ = Keep(device, pending.State is null ? "created" : "is served again");
        }
        else
        {
            _ = _pending.TryRemove(pending.Name, out _);
            // Of one that was to be removed a configuration is left only where it cannot be deleted.
            if (pending.State?.Phase != DevicePhase.Removing && _states.ReadConfiguration(pending.Name) is { } spec && spec.Name == pending.Name)
            {
                _pending[spec.Name] = new Pending(spec, state: null);
            }
        }
    }
#pragma warning restore CA2000

    private Response Remove(string name, bool force)
    {
        lock (_names.GetOrAdd(name, _ => new Lock()))
        {
            bool pended = _pending.TryGetValue(name, out Pending? pending);
            if (pending?.State is not null)
            {
                Attempt(pending);
            }

            if (_pending.TryGetValue(name, out pending))
            {
                Drop(pending, force);
            }
            else if (_devices.ContainsKey(name) || (!pended && !_states.ReadConfigurations().Exists(spec => spec.Name == name)))
            {
                // Of one that is no more its configuration may be left, where /etc was read-only.
                Find(name).Remove(force);
                _ = _devices.TryRemove(name, out _);
            }

            _states.DeleteConfiguration(name);
            return new Response();
        }
    }

    private void Drop(Pending pending, bool force)
    {
        if (pending.State is { } state)
        {
            if (!force)
            {
                throw pending.Refusal();
            }

            _recovery.Lose(state);
        }

        _ = _pending.TryRemove(pending.Name, out _);
    }

    private Response Stop()
    {
        // All of them first: a daemon that cannot end goes on serving all.
        foreach (CowDevice device in _devices.Values)
        {
            device.Settle();
        }

        _stop.Set();
        return new Response();
    }

    private static string Named(Request request) => request.Name ?? throw new ArgumentException($"{request.Verb} of which device?");

    private CowDevice Find(string name) => _devices.TryGetValue(name, out CowDevice? device)
        ? device
        : _pending.TryGetValue(name, out Pending? pending) ? throw pending.Refusal()
        : throw new RefusedException(ExitCode.NotFound, name, "there is no such device", "see \"cowctl list\"");

    /// <summary>Takes away what is left of a device that was removed by hand.</summary>
    private void Reap(string name)
    {
        if (_devices.TryGetValue(name, out CowDevice? device) && device.Orphaned)
        {
            device.Bury(force: false);
            _ = _devices.TryRemove(name, out _);
        }
    }

    /// <summary>The last line of a device's table is gone. Either everything is linear now, which is fine, or it was removed by hand.</summary>
    private void OnGone(string name) => _ = Try(name, () =>
    {
        lock (_names.GetOrAdd(name, _ => new Lock()))
        {
            Reap(name);
        }
    });

    private void Tick(CowDevice device)
    {
        Failure? failure = Try(device.Name, () =>
        {
            if (device.MayBeOrphaned && device.Orphaned)
            {
                OnGone(device.Name);
            }
            else
            {
                device.Tick();
            }
        });
        if (failure is not null)
        {
            DaemonLog.Trouble(_log, device.Name, failure.Reason);
        }
    }

    private void Defect(Failure failure, Exception e, string about)
    {
        if (failure.Code == ExitCode.Internal)
        {
            DaemonLog.Defect(_log, e, about);
        }
    }

#pragma warning disable CA1031 // One device's exception never touches another; it is the failure of this verb.
    private Failure? Try(string about, Action act)
    {
        try
        {
            act();
            return null;
        }
        catch (Exception e)
        {
            Failure failure = RefusedException.Of(e, about);
            Defect(failure, e, about);
            return failure;
        }
    }
#pragma warning restore CA1031
}
