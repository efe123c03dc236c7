// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cow.Formats;

/// <summary>
/// A sorted map of numbers to numbers that keeps runs, not single pairs: two levels, leaves of <see cref="LeafRuns"/> runs.
/// </summary>
/// <remarks>A run takes 21 bytes in a full leaf, some 30 after insertions in random order. Only the split of a leaf allocates.</remarks>
internal sealed class RunMap
{
    private const int LeafRuns = 64;

    private readonly List<Leaf> _leaves = [new Leaf()];

    /// <summary>Of each leaf the key of its first run; any of an empty leaf, which is the only one. Beside them, for a search to look at nothing else.</summary>
    private readonly List<ulong> _firsts = [0];

    /// <summary>Every run that was ever in the map ends here or before: behind it nothing is searched for, as keys come in order more often than not.</summary>
    private ulong _end;

    /// <summary>Keys in the map.</summary>
    public ulong Total { get; private set; }

    /// <summary>Finds the run that holds <paramref name="key"/> or, where none does, the first one behind it.</summary>
    public bool TryAtOrAfter(ulong key, out MapRun run)
    {
        Leaf leaf = Locate(key, out _, out int slot);
        bool found = slot < leaf.Count;
        run = found ? leaf.Runs[slot] : default;
        return found;
    }

    /// <summary>Finds the run that holds <paramref name="key"/>.</summary>
    public bool TryAt(ulong key, out MapRun run) => TryAtOrAfter(key, out run) && run.Key <= key;

    /// <summary>Whether one of <paramref name="count"/> keys is in the map.</summary>
    public bool HasAny(ulong key, ulong count) => Total > 0 && TryAtOrAfter(key, out MapRun run) && run.Key < key + count;

    /// <summary>All keys, ascending; the map may not change meanwhile.</summary>
    public IEnumerable<ulong> Keys()
    {
        for (ulong from = 0; TryAtOrAfter(from, out MapRun run); from = run.End)
        {
            for (ulong key = run.Key; key < run.End; key++)
            {
                yield return key;
            }
        }
    }

    /// <summary>Adds keys that are not in the map.</summary>
    public void Add(ulong key, ulong value, ulong count)
    {
        while (count > 0)
        {
            uint part = (uint)Math.Min(count, uint.MaxValue);
            AddRun(new MapRun(key, value, part));
            Total += part;
            key += part;
            value += part;
            count -= part;
        }
    }

    /// <summary>Removes keys that are all inside one run.</summary>
    public void Remove(ulong key, ulong count)
    {
        if (!TryRemove(key, count))
        {
            throw new InvalidOperationException($"keys {key}+{count} are not inside one run");
        }
    }

    /// <summary>Removes keys if they are all inside one run.</summary>
    public bool TryRemove(ulong key, ulong count)
    {
        Leaf leaf = Locate(key, out int index, out int slot);
        MapRun run = slot < leaf.Count ? leaf.Runs[slot] : default;
        if (key < run.Key || key + count > run.End)
        {
            return false;
        }

        Total -= count;
        uint before = (uint)(key - run.Key);
        uint after = (uint)(run.End - (key + count));
        if (before == 0 && after == 0)
        {
            RemoveAt(index, slot);
            return true;
        }
        MapRun rest = new(key + count, run.ValueOf(key) + count, after);
        if (before == 0)
        {
            leaf.Runs[slot] = rest;
            BeginsAnew(index);
            return true;
        }
        leaf.Runs[slot] = run with { Count = before };
        if (after > 0)
        {
            InsertAt(index, slot + 1, rest);
        }
        return true;
    }

    /// <summary>Removes the first keys of a range that are in the map, as far as they are one run.</summary>
    /// <param name="range">Begins behind them afterwards.</param>
    /// <param name="taken">They.</param>
    /// <returns>False where there are none.</returns>
    public bool TryTakeOut(ref ChunkRun range, out MapRun taken)
    {
        if (range.Count == 0 || !TryAtOrAfter(range.Chunk, out taken) || taken.Key >= range.End)
        {
            taken = default;
            return false;
        }
        ulong first = Math.Max(range.Chunk, taken.Key);
        ulong end = Math.Min(range.End, taken.End);
        taken = new MapRun(first, taken.ValueOf(first), (uint)(end - first));
        Remove(first, taken.Count);
        range = new ChunkRun(end, range.End - end);
        return true;
    }

    private void AddRun(in MapRun run)
    {
        Leaf leaf = Locate(run.Key, out int index, out int slot);
        _end = Math.Max(_end, run.End);
        if (!leaf.TryInsertApart(slot, run) && !leaf.TryExtendLast(slot, run))
        {
            AddBeside(index, slot, run);
        }
    }

    /// <summary>Adds a run that may join others, or lies at the edge of a leaf, which may be full.</summary>
    private void AddBeside(int leaf, int slot, in MapRun run)
    {
        ref MapRun next = ref At(leaf, slot);
        if (!Unsafe.IsNullRef(ref next) && next.Key < run.End)
        {
            throw new InvalidOperationException($"keys {run.Key}+{run.Count} are in the map already");
        }

        ref MapRun before = ref slot > 0 ? ref At(leaf, slot - 1) : ref LastBefore(leaf);
        if (Joins(before, run))
        {
            before.Count += run.Count;
            if (Joins(before, next))
            {
                before.Count += next.Count;
                RemoveAt(leaf, slot);
            }
        }
        else if (Joins(run, next))
        {
            next = run with { Count = run.Count + next.Count };
            BeginsAnew(leaf);
        }
        else if (slot == 0 && leaf > 0)
        {
            InsertAt(leaf - 1, _leaves[leaf - 1].Count, run);
        }
        else
        {
            InsertAt(leaf, slot, run);
        }
    }

    /// <summary>The run in a slot, or the null reference behind the last one.</summary>
    private ref MapRun At(int leaf, int slot) =>
        ref slot < _leaves[leaf].Count ? ref _leaves[leaf].Runs[slot] : ref Unsafe.NullRef<MapRun>();

    /// <summary>The last run of the leaf before, or the null reference.</summary>
    private ref MapRun LastBefore(int leaf) => ref leaf > 0 ? ref At(leaf - 1, _leaves[leaf - 1].Count - 1) : ref Unsafe.NullRef<MapRun>();

    private static bool Joins(in MapRun first, in MapRun second) =>
        !Unsafe.IsNullRef(in first) && !Unsafe.IsNullRef(in second)
        && first.End == second.Key && first.Value + first.Count == second.Value && (ulong)first.Count + second.Count <= uint.MaxValue;

    /// <summary>The first run that ends behind <paramref name="key"/>.</summary>
    /// <param name="key">The key.</param>
    /// <param name="index">Of the leaf that it is in.</param>
    /// <param name="slot">In that leaf; equal to its count, in the last leaf, where there is no such run.</param>
    /// <returns>The leaf.</returns>
    private Leaf Locate(ulong key, out int index, out int slot) =>
        key >= _end ? BehindLast(out index, out slot) : Search(key, out index, out slot);

    private Leaf BehindLast(out int index, out int slot)
    {
        index = _leaves.Count - 1;
        Leaf last = _leaves[index];
        slot = last.Count;
        return last;
    }

    private Leaf Search(ulong key, out int index, out int slot)
    {
        index = LeafOf(key);
        Leaf leaf = _leaves[index];
        slot = leaf.FirstEndingBehind(key);
        if (slot < leaf.Count || index + 1 == _leaves.Count)
        {
            return leaf;
        }
        slot = 0;
        return _leaves[++index];
    }

    /// <summary>The last leaf that begins at or before a key, or the first one. As <see cref="Leaf.FirstEndingBehind"/>, among the most frequent loops
    /// of the daemon: its indices are all below the count, and cannot overflow.</summary>
    private int LeafOf(ulong key)
    {
        ref ulong firsts = ref MemoryMarshal.GetReference(CollectionsMarshal.AsSpan(_firsts));
        unchecked
        {
            nint leaf = 0;
            for (nint count = _firsts.Count; count > 1;)
            {
                nint half = count >>> 1;
                leaf += Unsafe.Add(ref firsts, leaf + half) <= key ? half : 0;
                count -= half;
            }
            return (int)leaf;
        }
    }

    /// <summary>The first run of a leaf may be another one.</summary>
    private void BeginsAnew(int leaf) => _firsts[leaf] = _leaves[leaf].Runs[0].Key;

    private void InsertAt(int leaf, int slot, in MapRun run)
    {
        if (_leaves[leaf].Count == LeafRuns)
        {
            // Runs that come in order leave full leaves behind them.
            int kept = slot == LeafRuns ? LeafRuns : LeafRuns / 2;
            // Without memory nothing is to happen: a leaf that is cut and not in the list would be forgotten.
            _leaves.EnsureCapacity(_leaves.Count + 1);
            _firsts.EnsureCapacity(_leaves.Count + 1);
            _leaves.Insert(leaf + 1, _leaves[leaf].SplitOff(kept));
            _firsts.Insert(leaf + 1, _leaves[leaf + 1].Runs[0].Key);
            if (slot > kept || slot == LeafRuns)
            {
                (leaf, slot) = (leaf + 1, slot - kept);
            }
        }
        _leaves[leaf].Insert(slot, run);
        BeginsAnew(leaf);
    }

    private void RemoveAt(int leaf, int slot)
    {
        _leaves[leaf].Remove(slot);
        if (_leaves[leaf].Count == 0 && _leaves.Count > 1)
        {
            _leaves.RemoveAt(leaf);
            _firsts.RemoveAt(leaf);
            return;
        }
        BeginsAnew(leaf);
    }

    private sealed class Leaf
    {
        public MapRun[] Runs { get; } = new MapRun[LeafRuns];

        public int Count { get; private set; }

        /// <summary>The slot of the first run that ends behind a key; the count where none does. It compares keys alone.</summary>
        public int FirstEndingBehind(ulong key)
        {
            ref MapRun runs = ref MemoryMarshal.GetArrayDataReference(Runs);
            unchecked
            {
                nint at = 0;
                for (nint count = Count; count > 1;)
                {
                    nint half = count >>> 1;
                    at += Unsafe.Add(ref runs, at + half).Key <= key ? half : 0;
                    count -= half;
                }
                return (int)at + (at < Count && Unsafe.Add(ref runs, at).End <= key ? 1 : 0);
            }
        }

        /// <summary>Inserts a run between two others of the leaf that it does not join, as most that come in no order do.</summary>
        public bool TryInsertApart(int slot, in MapRun run)
        {
            if (slot == 0 || slot >= Count || Count == LeafRuns || Runs[slot].Key < run.End || Joins(Runs[slot - 1], run) || Joins(run, Runs[slot]))
            {
                return false;
            }
            Insert(slot, run);
            return true;
        }

        /// <summary>Adds a run to the last one of the leaf, where it continues that and lies behind all others of the map, as what comes in order does.</summary>
        public bool TryExtendLast(int slot, in MapRun run)
        {
            if (slot == 0 || slot < Count || !Joins(Runs[slot - 1], run))
            {
                return false;
            }
            Runs[slot - 1].Count += run.Count;
            return true;
        }

        public void Insert(int slot, in MapRun run)
        {
            Runs.AsSpan(slot, Count - slot).CopyTo(Runs.AsSpan(slot + 1));
            Runs[slot] = run;
            Count++;
        }

        public void Remove(int slot)
        {
            Count--;
            Runs.AsSpan(slot + 1, Count - slot).CopyTo(Runs.AsSpan(slot));
        }

        public Leaf SplitOff(int kept)
        {
            Leaf rest = new() { Count = Count - kept };
            Runs.AsSpan(kept, rest.Count).CopyTo(rest.Runs);
            Count = kept;
            return rest;
        }
    }
}
