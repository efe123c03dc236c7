// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// Walks a store for its longest committed runs, a slice at a time, so that faults are answered in between. Keeps a bounded number of them: the
/// planner can use no more.
/// </summary>
internal sealed class RunCollector
{
    /// <summary>Milliseconds that faults wait for a step at most, where no look-up takes longer.</summary>
    private const long StepTakes = 20;

    private readonly PriorityQueue<PlacedRun, ulong> _longest = new();
    private readonly ChunkGeometry _geometry;
    private readonly int _keep;
    private PlacedRun _open;
    private ulong _next;

    public RunCollector(ChunkGeometry geometry, int segments)
    {
        _geometry = geometry;
        // Twice the budget: runs that fill a gap cost no line and are worth keeping beyond it.
        _keep = Math.Max(segments, 1) * 2;
    }

    /// <summary>Looks at up to <paramref name="extents"/> extents more, and at one at least.</summary>
    /// <returns>False when the whole store has been seen.</returns>
    public bool Step(ICowFormat format, int extents)
    {
        long end = Environment.TickCount64 + StepTakes;
        for (int seen = 0; seen < extents && _next < _geometry.Chunks && (seen == 0 || Environment.TickCount64 < end); seen++)
        {
            // Not all that is left: a format may have to read all of its tables for that.
            Extent extent = format.Lookup(_next, Math.Min(CowEngine.Wide, _geometry.Chunks - _next));
            _next = extent.Run.End;
            if (extent.Kind == ExtentKind.Overlay)
            {
                Take(new PlacedRun(extent.Run, extent.Place));
            }
        }

        if (_next < _geometry.Chunks)
        {
            return true;
        }

        Close();
        return false;
    }

    /// <summary>The runs found, ascending.</summary>
    public List<PlacedRun> Result() =>
        [.. _longest.UnorderedItems.Select(item => item.Element).OrderBy(run => run.Run.Chunk)];

    private void Take(PlacedRun run)
    {
        bool adjoins = _open.Run.Count > 0
            && _open.Run.End == run.Run.Chunk
            && _open.Place.Device == run.Place.Device
            && _open.Place.Sector + (_open.Run.Count * _geometry.ChunkSectors) == run.Place.Sector;
        if (adjoins)
        {
            _open = _open with { Run = new ChunkRun(_open.Run.Chunk, _open.Run.Count + run.Run.Count) };
            return;
        }

        Close();
        _open = run;
    }

    private void Close()
    {
        if (_open.Run.Count == 0)
        {
            return;
        }

        _longest.Enqueue(_open, _open.Run.Count);
        if (_longest.Count > _keep)
        {
            _ = _longest.Dequeue();
        }

        _open = default;
    }
}
