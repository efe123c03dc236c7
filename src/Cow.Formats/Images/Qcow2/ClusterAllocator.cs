// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Finds free clusters and raises their refcounts before anything names them.
/// </summary>
/// <remarks>
/// <para>Clusters are taken from an arena: a free run whose refcounts are all raised to one when the first commit needs any of them, so that most
/// commits raise nothing and flush nothing for it. What of it was not used by the end goes back (<see cref="GiveBack"/>); after a crash it is
/// a leak, nothing worse.</para>
/// <para>A part of the file that has no refcount block counts as free throughout. Its block goes into its own first free cluster and counts
/// itself, so no other block has to change for it. Where the refcount table is too short, a longer one and the blocks that count it are put at
/// the start of a part that the old one could not reach.</para>
/// <para>Order in <see cref="Raise"/>: counts and new blocks, flush; names of new blocks, or the header's change to the new table, flush.</para>
/// </remarks>
internal sealed class ClusterAllocator(Qcow2Store store)
{
    private const ulong LeastArena = 16;
    private const ulong MostArena = 1024;
    private const int ScanBytes = 512;

    private readonly Qcow2Layout _layout = store.Layout;

    // Given out or set aside, with a count of 0 on the disk.
    private readonly RunMap _unraised = new();

    // Blocks to be made by the next Raise: index and cluster.
    private readonly SortedDictionary<ulong, ulong> _newBlocks = [];
    private (ulong Cluster, ulong Entries)? _newTable;

    // Set aside and nobody's: the rest of the arena, and what was taken and returned.
    private readonly RunMap _spare = new();

    private readonly ulong _firstLength = store.File.Length;
    private ulong _cursor = 1;
    private ulong _taken;

    // Blocks and tables to be written by the next Raise.
    private ByteRange _unwritten;

    /// <summary>Clusters that nobody uses and whose counts may be raised all the same.</summary>
    public IEnumerable<ulong> Spare => _spare.Keys();

    /// <summary>Takes adjoining clusters.</summary>
    /// <param name="wanted">At most so many.</param>
    /// <param name="count">So many; 0 where there is no room.</param>
    /// <returns>The first.</returns>
    public ulong Take(ulong wanted, out ulong count)
    {
        if (_spare.Total == 0 && !OpenArena())
        {
            count = 0;
            return 0;
        }
        _spare.TryAtOrAfter(0, out MapRun run);
        count = Math.Min(wanted, run.Count);
        _spare.Remove(run.Key, count);
        _taken += count;
        return run.Key;
    }

    /// <summary>Clusters that were taken and came to nothing are the next ones to be taken. Nothing on the disk ever named them.</summary>
    public void Return(ulong first, ulong count)
    {
        _spare.Add(first, first, count);
        _taken -= Math.Min(_taken, count);
    }

    /// <summary>Takes one run of clusters, however long, for a table that must be in one piece.</summary>
    /// <returns>The first, or 0 where there is no room.</returns>
    public ulong TakeContiguous(ulong wanted)
    {
        GiveBackSpare();
        ulong covered = FirstUncovered();
        for (ulong at = _cursor; FindFree(at, wanted, out ulong first, out ulong end) && first >> _layout.BlockBits < covered; at = end)
        {
            while (end - first < wanted && FindFree(end, wanted - (end - first), out ulong next, out ulong nextEnd) && next == end)
            {
                end = nextEnd;
            }
            if (end - first >= wanted)
            {
                _unraised.Add(first, first, wanted);
                return first;
            }
        }
        return TakeUncovered(wanted);
    }

    /// <summary>Widens a range of bytes so that it holds clusters, too.</summary>
    public void Widen(ref ByteRange range, ulong cluster, ulong count) =>
        Widen(ref range, new ByteRange((long)(cluster << _layout.ClusterBits), (long)(count << _layout.ClusterBits)));

    /// <summary>Widens a range of bytes so that it holds what the next Raise writes for the first time, however often that was told: whoever was
    /// told may not have had the room.</summary>
    public void WidenByUnwritten(ref ByteRange range)
    {
        if (_unwritten.Length > 0)
        {
            Widen(ref range, _unwritten);
        }
    }

    /// <summary>Takes a cluster that a former process took.</summary>
    /// <returns>False where it is in use.</returns>
    public bool Adopt(ulong cluster)
    {
        if (cluster == 0 || store.Claims.Overlaps(cluster, 1) || _unraised.TryAt(cluster, out _))
        {
            return false;
        }
        ulong refcount = store.Refcounts.Get(cluster);
        if (refcount == 0)
        {
            // A missing block is not placed before Raise: its place could be one that is still to be adopted.
            _unraised.Add(cluster, cluster, 1);
        }
        return refcount <= 1;
    }

    /// <summary>Makes the counts of all that was taken durable.</summary>
    public void Raise()
    {
        if (_unraised.Total == 0)
        {
            return;
        }
        NeedAllBlocks();
        foreach ((ulong index, ulong cluster) in _newBlocks)
        {
            WriteBlock(index, cluster);
        }
        while (_unraised.TryAtOrAfter(0, out MapRun run))
        {
            RaiseRun(run.Key, run.Count);
            _unraised.Remove(run.Key, run.Count);
        }
        if (_newTable is { } table)
        {
            SwitchTable(table.Cluster, table.Entries);
        }
        else if (_newBlocks.Count > 0)
        {
            store.File.Flush();
            foreach ((ulong index, ulong cluster) in _newBlocks)
            {
                store.Refcounts.Link(index, cluster << _layout.ClusterBits);
            }
        }
        _newBlocks.Clear();
        _unwritten = default;
        store.File.Flush();
    }

    /// <summary>Free again: nothing names it any more, durably.</summary>
    public void GiveBack(ulong cluster)
    {
        if (_unraised.TryAt(cluster, out _))
        {
            _unraised.Remove(cluster, 1);
        }
        else if (store.Refcounts.Block(cluster >> _layout.BlockBits) != 0)
        {
            store.Refcounts.Set(cluster, 1, 0);
        }
        _cursor = Math.Min(_cursor, cluster);
    }

    /// <summary>What is nobody's goes back.</summary>
    public void GiveBackSpare()
    {
        while (_spare.TryAtOrAfter(0, out MapRun run))
        {
            _spare.Remove(run.Key, 1);
            GiveBack(run.Key);
        }
    }

    /// <summary>What the file grew by since it was opened and nobody uses is behind this byte.</summary>
    public ulong UsedEnd()
    {
        ulong length = store.File.Length;
        ulong end = _layout.Clusters(length);
        while (end << _layout.ClusterBits > _firstLength && store.Refcounts.Get(end - 1) == 0)
        {
            end--;
        }
        return Math.Clamp(end << _layout.ClusterBits, Math.Min(_firstLength, length), length);
    }

    /// <summary>One reference less. Nothing on the disk refers to it any more, durably.</summary>
    public void Drop(ulong cluster)
    {
        ulong count = store.Refcounts.Get(cluster);
        if (count > 0)
        {
            store.Refcounts.Set(cluster, 1, count - 1);
        }
        if (count == 1)
        {
            _cursor = Math.Min(_cursor, cluster);
        }
    }

    private ulong Limit => (store.File.CanGrow ? Qcow2Layout.OffsetMask : store.File.Length) >> _layout.ClusterBits;

    private bool OpenArena()
    {
        ulong size = Math.Clamp(_taken, LeastArena, MostArena);
        if (!FindFree(_cursor, size, out ulong first, out ulong end))
        {
            return false;
        }
        _unraised.Add(first, first, end - first);
        _spare.Add(first, first, end - first);
        _cursor = end;
        return true;
    }

    /// <summary>The first free run at or behind a cluster, within one refcount block, as long as is wanted.</summary>
    private bool FindFree(ulong cluster, ulong wanted, out ulong first, out ulong end)
    {
        ulong limit = Limit;
        while (cluster < limit)
        {
            ulong index = cluster >> _layout.BlockBits;
            end = Math.Min((index + 1) << _layout.BlockBits, limit);
            if (!NeedBlock(cluster))
            {
                if (index >= Capacity)
                {
                    break;
                }
                cluster = end;
                continue;
            }
            bool counted = store.Refcounts.Block(index) != 0;
            first = NextFree(cluster, end, counted);
            if (first < end)
            {
                end = FreeEnd(first, Math.Min(end, first + Math.Min(wanted, limit)), counted);
                return true;
            }
            cluster = end;
        }
        first = end = 0;
        return false;
    }

    /// <summary>The first cluster from one on that nobody has; the end where there is none.</summary>
    private ulong NextFree(ulong cluster, ulong end, bool counted)
    {
        while (cluster < end)
        {
            ulong free = counted ? ScanCounts(cluster, end, free: true) : cluster;
            (ulong taken, ulong takenEnd) = NextHeld(free);
            if (free < taken)
            {
                return free;
            }
            cluster = takenEnd;
        }
        return end;
    }

    private ulong FreeEnd(ulong first, ulong end, bool counted)
    {
        end = Math.Min(end, NextHeld(first).First);
        return counted ? ScanCounts(first, end, free: false) : end;
    }

    /// <summary>The first cluster whose count is 0, or is not.</summary>
    private ulong ScanCounts(ulong cluster, ulong end, bool free)
    {
        Span<byte> row = stackalloc byte[ScanBytes];
        int order = _layout.RefcountOrder;
        // Counts narrower than a byte are read from the byte on in which they are.
        ulong perByte = order < 3 ? 8UL >> order : 1;
        while (cluster < end)
        {
            ulong start = cluster & ~(perByte - 1);
            ulong count = store.Refcounts.Read(start, row);
            for (; cluster < end && cluster < start + count; cluster++)
            {
                if ((Refcounts.Value(row, cluster - start, order) == 0) == free)
                {
                    return cluster;
                }
            }
        }
        return end;
    }

    private (ulong First, ulong End) NextHeld(ulong cluster)
    {
        (ulong First, ulong End) claimed = store.Claims.Next(cluster);
        return _unraised.TryAtOrAfter(cluster, out MapRun run) && run.Key < claimed.First ? (run.Key, run.End) : claimed;
    }

    /// <summary>Sees to it that a cluster can be counted: sets a place for the missing block aside.</summary>
    /// <returns>False where there is none.</returns>
    private bool NeedBlock(ulong cluster)
    {
        ulong index = cluster >> _layout.BlockBits;
        if (_newBlocks.ContainsKey(index) || store.Refcounts.Block(index) != 0)
        {
            return true;
        }
        if (index >= Capacity)
        {
            return GrowTable(index) && (_newBlocks.ContainsKey(index) || NeedBlock(cluster));
        }
        ulong end = Math.Min((index + 1) << _layout.BlockBits, Limit);
        ulong place = NextFree(Math.Max(1, index << _layout.BlockBits), end, counted: false);
        if (place == end)
        {
            return false;
        }
        SetAside(place, 1);
        _newBlocks.Add(index, place);
        return true;
    }

    /// <summary>Places for the blocks of adopted clusters; all others were set aside before.</summary>
    private void NeedAllBlocks()
    {
        for (ulong cluster = 0; _unraised.TryAtOrAfter(cluster, out MapRun run);)
        {
            ulong at = Math.Max(cluster, run.Key);
            if (!NeedBlock(at))
            {
                throw NoRoom.For(store.File.Name, "a refcount block");
            }
            cluster = ((at >> _layout.BlockBits) + 1) << _layout.BlockBits;
        }
    }

    private ulong Capacity => _newTable?.Entries ?? (ulong)store.Refcounts.Capacity;

    /// <summary>Plans a longer table at the start of a part that has no block, or where that was given out by a former process, which had another plan,
    /// behind everything that is held.</summary>
    private bool GrowTable(ulong index) => _newTable is null && (TryGrowTable(index) || TryGrowTable(BehindHeld(index)));

    /// <summary>The first part from one on of which no cluster is held, nor of those behind it.</summary>
    private ulong BehindHeld(ulong index)
    {
        ulong last = index << _layout.BlockBits;
        for ((ulong First, ulong End) held = NextHeld(last); held.First < ulong.MaxValue; held = NextHeld(held.End))
        {
            last = held.End - 1;
        }
        return (last >> _layout.BlockBits) + 1;
    }

    /// <summary>Plans a longer table, long enough for twice of what is there and for every cluster of the disk.</summary>
    private bool TryGrowTable(ulong index)
    {
        ulong perCluster = _layout.ClusterBytes / 8;
        ulong disk = (store.Header.Size >> _layout.ClusterBits) + store.Header.L1Entries;
        ulong most = Qcow2Header.MaxRefcountTableBytes / 8;
        ulong entries = Math.Min(most, Math.Max(2 * index, index + 2 + (2 * disk >> _layout.BlockBits)));
        entries = (entries + perCluster - 1) / perCluster * perCluster;
        if (index >= entries)
        {
            return false;
        }
        ulong start = SetAsideWithBlocks(index, entries / perCluster, entries);
        if (start == 0)
        {
            return false;
        }
        _newTable = (start, entries);
        return true;
    }

    /// <summary>The first block from which on there is none.</summary>
    private ulong FirstUncovered()
    {
        ulong index = (ulong)store.Refcounts.Capacity;
        while (index > 0 && store.Refcounts.Block(index - 1) == 0)
        {
            index--;
        }
        return _newBlocks.Count == 0 ? index : Math.Max(index, _newBlocks.Last().Key + 1);
    }

    private ulong TakeUncovered(ulong wanted)
    {
        ulong index = FirstUncovered();
        if (index + (wanted >> _layout.BlockBits) + 2 > Capacity && GrowTable(index))
        {
            index = FirstUncovered();
        }
        return SetAsideWithBlocks(index, wanted, Capacity);
    }

    /// <summary>Sets adjoining clusters aside from the start of a part that has no blocks on, and blocks for all of them behind them.</summary>
    /// <returns>The first, or 0 where there is no room.</returns>
    private ulong SetAsideWithBlocks(ulong index, ulong count, ulong capacity)
    {
        ulong start = index << _layout.BlockBits;
        ulong blocks = 1;
        while (blocks << _layout.BlockBits < count + blocks)
        {
            blocks++;
        }
        ulong end = start + count + blocks;
        if (start == 0 || end > Limit || NextHeld(start).First < end || index + blocks > capacity)
        {
            return 0;
        }
        SetAside(start, count + blocks);
        for (ulong i = 0; i < blocks; i++)
        {
            _newBlocks.Add(index + i, start + count + i);
        }
        return start;
    }

    private void SetAside(ulong first, ulong count)
    {
        _unraised.Add(first, first, count);
        Widen(ref _unwritten, first, count);
    }

    private static void Widen(ref ByteRange range, ByteRange other)
    {
        long first = range.Length == 0 ? other.Offset : Math.Min(other.Offset, range.Offset);
        range = new ByteRange(first, Math.Max(other.Offset + other.Length, range.Offset + range.Length) - first);
    }

    private void WriteBlock(ulong index, ulong cluster)
    {
        byte[] block = new byte[_layout.ClusterBytes];
        ulong first = index << _layout.BlockBits;
        ulong end = (index + 1) << _layout.BlockBits;
        for (ulong at = first; _unraised.TryAtOrAfter(at, out MapRun run) && run.Key < end; at = run.End)
        {
            for (ulong i = Math.Max(first, run.Key); i < Math.Min(end, run.End); i++)
            {
                Refcounts.SetValue(block, i - first, _layout.RefcountOrder, 1);
            }
        }
        store.Claims.Claim(cluster << _layout.ClusterBits, _layout.ClusterBytes, store.Refcounts.Offset, "a refcount block");
        store.File.Write(block, cluster << _layout.ClusterBits);
    }

    private void RaiseRun(ulong cluster, ulong count)
    {
        for (ulong end = cluster + count; cluster < end;)
        {
            ulong index = cluster >> _layout.BlockBits;
            ulong part = Math.Min(end, (index + 1) << _layout.BlockBits) - cluster;
            if (!_newBlocks.ContainsKey(index))
            {
                store.Refcounts.Set(cluster, part, 1);
            }
            cluster += part;
        }
    }

    private void SwitchTable(ulong cluster, ulong entries)
    {
        ulong offset = cluster << _layout.ClusterBits;
        ulong[] table = store.Refcounts.Grown(entries);
        foreach ((ulong index, ulong block) in _newBlocks)
        {
            table[index] = block << _layout.ClusterBits;
        }
        store.Claims.Claim(offset, entries * 8, Qcow2Header.RefcountTableAt, "the refcount table");
        store.File.WriteTable(table, offset);
        store.File.Flush();

        ulong old = store.Refcounts.Offset;
        ulong oldBytes = store.Refcounts.Bytes;
        store.ChangeHeader(store.Header with { RefcountTableOffset = offset, RefcountTableClusters = (uint)_layout.Clusters(entries * 8) });
        store.Refcounts.Replace(offset, table);
        store.Claims.Release(old, oldBytes);
        store.DropLater(old, oldBytes);
        _newTable = null;
    }
}
