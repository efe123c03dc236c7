// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// Runs whose data is at their places and whose metadata is not written yet, in the order of their numbers. A ring, so that steady state allocates
/// nothing.
/// </summary>
internal sealed class PlacedQueue
{
    private const int First = 64;

    private ulong[] _numbers = new ulong[First];
    private PlacedRun[] _runs = new PlacedRun[First];
    private PlacedRun[] _batch = new PlacedRun[First];
    private int _head;

    /// <summary>Runs in it.</summary>
    public int Count { get; private set; }

    /// <summary>Chunks in it.</summary>
    public ulong Chunks { get; private set; }

    /// <summary>Number of the youngest run that was ever added; 0 before the first.</summary>
    public ulong Last { get; private set; }

    /// <summary>Adds a run. False when its number does not follow: the kernel delivers them in order, so something is wrong then.</summary>
    public bool Add(ulong number, PlacedRun run)
    {
        if (number <= Last)
        {
            return false;
        }

        if (Count == _runs.Length)
        {
            Grow();
        }

        int at = (_head + Count) & (_runs.Length - 1);
        _numbers[at] = number;
        _runs[at] = run;
        Count++;
        Chunks += run.Run.Count;
        Last = number;
        return true;
    }

    /// <summary>Makes the metadata of the runs numbered up to <paramref name="number"/> durable, oldest first, and forgets them. They stay when the
    /// store throws.</summary>
    public void CommitUpTo(ulong number, ICowFormat format)
    {
        int taken = 0;
        while (taken < Count && _numbers[(_head + taken) & (_runs.Length - 1)] <= number)
        {
            _batch[taken] = _runs[(_head + taken) & (_runs.Length - 1)];
            taken++;
        }

        if (taken > 0)
        {
            format.Commit(_batch.AsSpan(0, taken));
        }

        format.Flush();
        for (int i = 0; i < taken; i++)
        {
            Chunks -= _batch[i].Run.Count;
        }

        _head = (_head + taken) & (_runs.Length - 1);
        Count -= taken;
    }

    /// <summary>Whether a chunk is in one of the runs. Walks them all: for questions of an operator, not for the fault path.</summary>
    public bool Find(ulong chunk, out PlacedRun found)
    {
        for (int i = 0; i < Count; i++)
        {
            found = _runs[(_head + i) & (_runs.Length - 1)];
            if (chunk >= found.Run.Chunk && chunk < found.Run.End)
            {
                return true;
            }
        }

        found = default;
        return false;
    }

    private void Grow()
    {
        _numbers = Unrolled(_numbers);
        _runs = Unrolled(_runs);
        _batch = new PlacedRun[_runs.Length];
        _head = 0;
    }

    /// <summary>A ring twice as large with the same contents, which begin at 0.</summary>
    private T[] Unrolled<T>(T[] ring)
    {
        var larger = new T[ring.Length * 2];
        ring.AsSpan(_head).CopyTo(larger);
        ring.AsSpan(0, _head).CopyTo(larger.AsSpan(ring.Length - _head));
        return larger;
    }
}
