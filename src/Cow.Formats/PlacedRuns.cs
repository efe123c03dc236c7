// SPDX-License-Identifier: MIT
using System.Buffers;

namespace Cow.Formats;

/// <summary>Runs in the order in which they were placed, the oldest first: as one span, whatever was added and dropped.</summary>
/// <remarks>One thread at a time. Nothing is allocated while what is in it fits: whoever drops all begins at the start again. What is outgrown, or given back
/// with <see cref="Clear"/>, is what the next one takes: fresh pages cost more than what is written to them.</remarks>
public sealed class PlacedRuns
{
    private const int First = 64;

    /// <summary>Arrays of up to 2 MiB, no more than four of each length; larger ones are left to the collector.</summary>
    private static readonly ArrayPool<PlacedRun> Pool = ArrayPool<PlacedRun>.Create(1 << 16, 4);

    private PlacedRun[] _runs = [];
    private int _head;

    /// <summary>Runs in it.</summary>
    public int Count { get; private set; }

    /// <summary>All of them, the oldest first; until the next change.</summary>
    public ReadOnlySpan<PlacedRun> Runs => _runs.AsSpan(_head, Count);

    /// <summary>Adds runs behind the last one.</summary>
    public void Add(ReadOnlySpan<PlacedRun> runs)
    {
        runs.CopyTo(Room(runs.Length));
        Count += runs.Length;
    }

    /// <summary>What lies behind the last run, to write runs to that are kept then; until the next change.</summary>
    /// <param name="most">How many at most.</param>
    public Span<PlacedRun> Room(int most)
    {
        if (most > _runs.Length - _head - Count)
        {
            MakeRoom(Count + most);
        }
        return _runs.AsSpan(_head + Count, most);
    }

    /// <summary>Adds the first runs of what was written to <see cref="Room"/>.</summary>
    /// <param name="count">How many.</param>
    public void Keep(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _runs.Length - _head - Count);
        Count += count;
    }

    /// <summary>Takes the oldest runs out.</summary>
    /// <param name="count">How many.</param>
    public void Drop(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count);
        Count -= count;
        _head = Count == 0 ? 0 : _head + count;
    }

    /// <summary>Takes all runs out, and gives the memory back.</summary>
    public void Clear()
    {
        (PlacedRun[] runs, _runs) = (_runs, []);
        _head = 0;
        Count = 0;
        Pool.Return(runs);
    }

    /// <summary>To the start, of a larger array unless half of this one will do: each run is moved once for each that was dropped or added.</summary>
    private void MakeRoom(int needed)
    {
        PlacedRun[] old = _runs;
        PlacedRun[] runs = needed <= old.Length / 2 ? old : Pool.Rent(Math.Max(First, Math.Max(needed, 2 * old.Length)));
        Runs.CopyTo(runs);
        _runs = runs;
        _head = 0;
        if (runs != old)
        {
            Pool.Return(old);
        }
    }
}
