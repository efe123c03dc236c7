// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Writes L2 and L1 entries: the order of writes of this format.
/// </summary>
/// <remarks>
/// <para>A commit names new places in this order; each arrow is a flush of the image file:</para>
/// <list type="number">
/// <item>refcounts of the new clusters -> (new refcount blocks, then their names or a new refcount table ->; see <see cref="ClusterAllocator"/>).
/// They are raised for a whole arena at a time, so most commits skip this.</item>
/// <item>the data: written and flushed by the caller, before Commit. What this driver copied or packed itself is flushed by step 1 or 3.</item>
/// <item>new L2 tables, whole, into clusters that nothing names -> . Only where a table was missing, or was shared with a snapshot.</item>
/// <item>L1 entries of the new tables, and entries in L2 tables that are there: single sectors. Each is valid by itself, so any subset of them
/// may survive.</item>
/// <item>the caller's Flush -> ; only now are the old places (and old shared tables) unnamed for good, and their refcounts go down. A cluster whose
/// count became 0 is found by the allocator from now on, and not before.</item>
/// </list>
/// <para>So at every moment a cluster's refcount is at least the number of what names it; after a crash it may be more, which is a leak.
/// Step 1 also makes COPIED true before an entry bears it: the count is exactly 1, durably, and nobody else names the cluster.</para>
/// <para>One commit costs one flush, the last one, where neither step 1 nor step 3 is needed.</para>
/// </remarks>
internal sealed class MapWriter(Qcow2Store store, ClusterMap map, PendingPlaces pending, PackedClusters packed)
{
    private readonly Qcow2Layout _layout = store.Layout;
    private readonly List<NewTable> _newTables = [];
    private byte[] _table = [];

    /// <summary>The entry of a cluster of the disk as it is.</summary>
    public L2Entry Current(ulong cluster)
    {
        ulong offset = cluster << _layout.ClusterBits;
        ulong slot = offset >> _layout.L1Shift;
        ulong table = ClusterMap.TableAt(store, store.L1EntryAt(slot));
        return table == 0 ? default : map.ReadEntry(map.EntryAt(table, offset));
    }

    /// <summary>Writes entries. Their clusters' data is durable, or durable with the next flush of the image file where it came from this driver.</summary>
    /// <param name="changes">Sorted by cluster, each once.</param>
    public void Write(List<EntryChange> changes)
    {
        if (!TryReserveTables(changes))
        {
            throw NoRoom.For(store.File.Name, "an L2 table");
        }
        store.Allocator.Raise();
        for (int first = 0, next; first < changes.Count; first = next)
        {
            ulong slot = SlotOf(changes[first].Cluster);
            next = first + 1;
            while (next < changes.Count && SlotOf(changes[next].Cluster) == slot)
            {
                next++;
            }
            WriteSlot(slot, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(changes)[first..next]);
        }
        store.File.Finish();
        LinkTables();
        packed.Forget();
    }

    /// <summary>Sets tables aside, in memory only, that no Reserve has: for adopted places, zeros and compressed clusters.</summary>
    /// <returns>False where there is no room for all of them.</returns>
    public bool TryReserveTables(List<EntryChange> changes)
    {
        ulong last = ulong.MaxValue;
        foreach (EntryChange change in changes)
        {
            ulong slot = SlotOf(change.Cluster);
            if (slot != last && !pending.NeedTable(change.Cluster << (_layout.ClusterBits - _layout.ChunkBits), out _))
            {
                return false;
            }
            last = slot;
        }
        return true;
    }

    private ulong SlotOf(ulong cluster) => cluster >> _layout.L2Bits;

    private void WriteSlot(ulong slot, ReadOnlySpan<EntryChange> changes)
    {
        ulong entry = store.L1Entry(slot);
        ulong table = entry & Qcow2Layout.OffsetMask;
        bool own = (entry & Qcow2Layout.Copied) != 0 && table != 0;
        if (!own)
        {
            LoadTable(table);
        }
        foreach (EntryChange change in changes)
        {
            ulong at = map.EntryAt(0, change.Cluster << _layout.ClusterBits);
            L2Entry old = own ? map.ReadEntry(table + at) : map.Decode(_table.AsSpan((int)at));
            DropReplaced(old, change);
            if (own)
            {
                Put(store.File.Change(table + at)[(int)((table + at) % MetadataFile.SectorBytes)..], change.Entry);
            }
            else
            {
                Put(_table.AsSpan((int)at), change.Entry);
            }
        }
        if (!own)
        {
            ulong fresh = pending.NewTable(slot) << _layout.ClusterBits;
            store.File.Write(_table, fresh);
            _newTables.Add(new NewTable(slot, fresh, table));
        }
    }

    private void Put(Span<byte> bytes, L2Entry entry)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes, entry.Raw);
        if (_layout.Extended)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], entry.Bits);
        }
    }

    private void LoadTable(ulong table)
    {
        if (_table.Length == 0)
        {
            _table = new byte[_layout.ClusterBytes];
        }
        if (table == 0)
        {
            _table.AsSpan().Clear();
        }
        else
        {
            store.File.Read(_table, table);
        }
    }

    private void LinkTables()
    {
        if (_newTables.Count == 0)
        {
            return;
        }
        store.File.Flush();
        foreach (NewTable table in _newTables)
        {
            ulong entryAt = store.L1EntryAt(table.Slot);
            if (table.Old != 0)
            {
                store.Claims.Release(table.Old, _layout.ClusterBytes);
                store.DropLater(table.Old, _layout.ClusterBytes);
            }
            store.Claims.Claim(table.Offset, _layout.ClusterBytes, entryAt, "an L2 table");
            store.File.Patch64(entryAt, table.Offset | Qcow2Layout.Copied);
            pending.SettleTable(table.Slot);
        }
        store.File.Finish();
        _newTables.Clear();
    }

    private void DropReplaced(L2Entry old, EntryChange change)
    {
        if (old.IsCompressed)
        {
            (ulong offset, ulong length) = old.Packed(_layout);
            store.DropLater(offset, length);
        }
        else if (store.DataFile is null && (change.Entry.IsCompressed || change.Entry.HostOffset != old.HostOffset))
        {
            DropHost(old, change.Cluster << _layout.ClusterBits);
        }
    }

    /// <summary>The host cluster of a replaced entry is nobody's, or a leak where no data can be: nobody has judged it of an entry that reads as zeros.</summary>
    private void DropHost(L2Entry old, ulong offset)
    {
        if (map.DataFault(old, offset, store.Claims) is not null)
        {
            return;
        }
        if (_layout.Extended && !old.Copied)
        {
            // One subcluster was written, and the others moved with it: who has looked them up before reads them where they were.
            store.DropKept(old.HostOffset);
        }
        else
        {
            store.DropLater(old.HostOffset, _layout.ClusterBytes);
        }
    }

    private readonly record struct NewTable(ulong Slot, ulong Offset, ulong Old);
}

/// <summary>A new entry of a cluster of the disk.</summary>
/// <param name="Cluster">Counted from the start of the disk.</param>
/// <param name="Entry">The entry.</param>
internal readonly record struct EntryChange(ulong Cluster, L2Entry Entry);
