// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// Gives a device a table in which the longest committed runs are <c>linear</c> lines. Runs on a thread that answers no faults: the swap waits for
/// copies, which may wait for answers.
/// </summary>
/// <param name="dm">The device-mapper.</param>
/// <param name="uuid">The device.</param>
/// <param name="table">Its lines, as the kernel has them.</param>
/// <param name="geometry">Its size and chunk.</param>
/// <param name="asked">Lines at most, if anybody asked for a number.</param>
/// <param name="readOnly">So are its lines.</param>
internal sealed class Collapse(DmControl dm, DmUuid uuid, DeviceTable table, ChunkGeometry geometry, int? asked, bool readOnly)
{
    private const int ExtentsPerStep = 4096;

    /// <summary>An automatic reload must turn at least this part of the device into lines.</summary>
    private const ulong WorthPart = 32;

    private const long ApartMilliseconds = 5_000;

    private List<PlannedLine> _lines = [new(0, geometry.Sectors, Linear: false, 0, 0)];
    private ulong _placedAtPlan;
    private long _last = Environment.TickCount64;

    public int Lines => _lines.Count;

    public int Segments { get; } = asked ?? TablePlanner.DefaultSegments;

    public ulong CollapsedChunks => TablePlanner.CollapsedChunks(geometry, _lines);

    public bool AllLinear => _lines.TrueForAll(line => line.Linear);

    public double LongestPauseMilliseconds { get; private set; }

    /// <summary>Takes over the table that a former daemon left; one that it had loaded, and not made live, is dropped.</summary>
    /// <returns>False when it is not one of ours.</returns>
    public bool Adopt()
    {
        if (table.FromKernel(dm.Table(uuid, inactive: true)) is not null)
        {
            _ = dm.Clear(uuid);
        }

        List<PlannedLine>? found = table.FromKernel(dm.Table(uuid));
        _lines = found ?? _lines;
        return found is not null;
    }

    /// <summary>What somebody does with the device by hand, which a swap would undo; null where it would not.</summary>
    public string? Obstacle => dm.Find(uuid) switch
    {
        null => "the mapped device was removed by hand",
        { IsSuspended: true } => "it was suspended by hand",
        { HasInactiveTable: true } => "another table was loaded by hand, and waits to be resumed",
        _ when table.FromKernel(dm.Table(uuid)) is not { } live || !live.SequenceEqual(_lines) => "its table was replaced by hand",
        _ => null,
    };

    /// <summary>The line that serves a sector.</summary>
    public PlannedLine LineOf(ulong sector) => _lines.Find(line => sector >= line.Start && sector < line.End);

    /// <summary>Whether an automatic reload is possible: the last one is long enough ago, and there is something left to turn into lines.</summary>
    public bool Due => Environment.TickCount64 - _last >= ApartMilliseconds && !AllLinear;

    /// <summary>Whether one may pay: enough was placed since the last plan.</summary>
    public bool MayPay(ulong placedChunks) =>
        placedChunks > _placedAtPlan
        && (placedChunks - _placedAtPlan >= Math.Max(1, geometry.Chunks / WorthPart) || placedChunks >= geometry.Chunks);

    /// <summary>Plans, and swaps the table if the plan is better by enough.</summary>
    /// <param name="loop">The device's loop.</param>
    /// <param name="force">Also for a small gain.</param>
    public CompactReport Run(FaultLoop loop, bool force)
    {
        _last = Environment.TickCount64;
        int before = _lines.Count;
        (List<PlannedLine> next, ulong placed) = Plan(loop);
        _placedAtPlan = placed;
        ulong now = CollapsedChunks;
        ulong then = TablePlanner.CollapsedChunks(geometry, next);
        bool worth = force || then >= now + Math.Max(1, geometry.Chunks / WorthPart) || next.TrueForAll(line => line.Linear);
        if (next.SequenceEqual(_lines) || !worth)
        {
            return new CompactReport(before, before, now, 0);
        }

        double pause = Swap(loop, next);
        return new CompactReport(before, next.Count, then, pause);
    }

    private (List<PlannedLine> Lines, ulong Placed) Plan(FaultLoop loop)
    {
        var collector = new RunCollector(geometry, Segments);
        // In slices, since the loop's thread answers no faults while it walks the store.
        while (loop.AskStore(format => collector.Step(format, ExtentsPerStep)).GetAwaiter().GetResult())
        {
        }

        ulong placed = loop.AskStore(format => format.Usage.PlacedChunks).GetAwaiter().GetResult();
        ulong worth = asked is null ? geometry.Chunks / TablePlanner.WorthPart : 0;
        return (TablePlanner.Plan(geometry, collector.Result(), Segments, worth), placed);
    }

    private double Swap(FaultLoop loop, List<PlannedLine> next)
    {
        table.Follow(dm.Table(uuid));
        dm.Load(uuid, table.ToKernel(next), readOnly);
        try
        {
            Return(loop, next);
            long start = Stopwatch.GetTimestamp();
            // Never suspend first: resume swaps, and pushes back what is held instead of waiting for it.
            _ = dm.Resume(uuid, SuspendFlags.Quick, waitForNode: false);
            double pause = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            LongestPauseMilliseconds = Math.Max(LongestPauseMilliseconds, pause);
            _lines = next;
            _last = Environment.TickCount64;
            return pause;
        }
        catch
        {
            _ = dm.Clear(uuid);
            GoOn();
            throw;
        }
    }

    /// <summary>The kernel judges some of a table only when it swaps, and where it refuses it then, it leaves the device suspended, with the table that it
    /// had. It was not suspended before: that would have been an <see cref="Obstacle"/>.</summary>
    private void GoOn()
    {
        if (dm.Find(uuid) is { IsSuspended: true })
        {
            _ = dm.Resume(uuid, SuspendFlags.Quick, waitForNode: false);
        }
    }

    /// <summary>Tells the kernel, before the swap, of places whose <c>linear</c> lines go. It has kept them, unless no <c>cow</c> line was left.</summary>
    private void Return(FaultLoop loop, List<PlannedLine> next)
    {
        if (AllLinear && next.Exists(line => !line.Linear))
        {
            _ = loop.Reload().GetAwaiter().GetResult();
            return;
        }

        foreach (PlannedLine old in _lines.FindAll(line => line.Linear))
        {
            foreach (PlannedLine cow in next.FindAll(line => !line.Linear && line.Start < old.End && old.Start < line.End))
            {
                ulong start = Math.Max(old.Start, cow.Start);
                ulong sectors = Math.Min(old.End, cow.End) - start;
                var run = new PlacedRun(
                    new ChunkRun(geometry.ChunkOf(start), ((sectors - 1) / geometry.ChunkSectors) + 1),
                    new Place(old.Device, old.Sector + start - old.Start));
                _ = loop.Ask((_, replies) => Tell(replies, run)).GetAwaiter().GetResult();
            }
        }
    }

    private static bool Tell(ReplyBuffer replies, PlacedRun run)
    {
        replies.Map(run);
        return true;
    }
}
