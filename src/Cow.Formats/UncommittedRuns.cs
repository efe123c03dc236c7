// SPDX-License-Identifier: MIT
using System.Numerics;

namespace Cow.Formats;

/// <summary>Runs in the order in which they were placed, the oldest first: as one span, whatever was added and dropped.</summary>
/// <remarks>One thread at a time. Nothing is allocated while what is in it fits: whoever drops all begins at the start again.</remarks>
public sealed class UncommittedRuns
{
    private const int First = 64;

    private PlacedRun[] _runs = new PlacedRun[First];
    private int _head;

    /// <summary>Runs in it.</summary>
    public int Count { get; private set; }

    /// <summary>All of them, the oldest first; until the next change.</summary>
    public ReadOnlySpan<PlacedRun> Runs => _runs.AsSpan(_head, Count);

    /// <summary>Adds runs behind the last one.</summary>
    public void Add(ReadOnlySpan<PlacedRun> runs)
    {
        if (runs.Length > _runs.Length - _head - Count)
        {
            MakeRoom(Count + runs.Length);
        }
        runs.CopyTo(_runs.AsSpan(_head + Count));
        Count += runs.Length;
    }

    /// <summary>Takes the oldest runs out.</summary>
    /// <param name="count">How many.</param>
    public void Drop(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count);
        Count -= count;
        _head = Count == 0 ? 0 : _head + count;
    }

    /// <summary>To the start, of a larger array unless half of this one will do: each run is moved once for each that was dropped or added.</summary>
    private void MakeRoom(int needed)
    {
        PlacedRun[] runs = needed <= _runs.Length / 2 ? _runs : GC.AllocateUninitializedArray<PlacedRun>((int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(needed, 2 * _runs.Length)));
        Runs.CopyTo(runs);
        _runs = runs;
        _head = 0;
    }
}
