// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Counts what refers to each cluster, by all tables of the image: what the refcounts should be.
/// </summary>
/// <remarks>Bounded by what is in the file: every table is read once, whatever the number of snapshots that share it, and L1 tables of snapshots that overlap
/// are an error and left out. What cannot be is reported and not counted.</remarks>
internal sealed class References
{
    /// <summary>Clusters at most in which pieces of metadata over each other are counted.</summary>
    private const ulong MostRepeated = 1 << 20;

    /// <summary>Characters of a snapshot's id in a finding: it may have 64 Ki.</summary>
    private const int MostOfName = 100;

    private readonly Qcow2Store _store;
    private readonly Qcow2Layout _layout;
    private readonly Findings _findings;
    private readonly ClaimedClusters _claims;
    private readonly TableScan _scan;
    private readonly bool _findsRepeated;

    // Null where nothing is unpacked.
    private readonly PackedScan? _packed;

    // Clusters that are still counted again, as others' too: such pieces could be many, and large.
    private ulong _repeatable;

    // A word for each L1 entry that names a table, where the table is and in bit 0 that the entry is not active; and which entry it is. Sorted, the
    // tables come in the order of the file, those named together next to each other, the active one first.
    private readonly List<ulong> _tables = [];
    private readonly List<int> _slots = [];

    private References(Qcow2Store store, Findings findings, bool unpacks, bool findsRepeated)
    {
        _store = store;
        _layout = store.Layout;
        _findings = findings;
        _claims = new ClaimedClusters(store.File.Name, _layout);
        Counts = new ClusterCounts(_claims);
        _packed = unpacks ? new PackedScan(store, findings) : null;
        _scan = new TableScan(store);
        _findsRepeated = findsRepeated;
        _repeatable = Math.Min(MostRepeated, _layout.Clusters(store.File.Length));
    }

    /// <summary>The references.</summary>
    public ClusterCounts Counts { get; }

    /// <summary>Clusters of the disk with a host cluster of their own, or compressed.</summary>
    public ulong Placed { get; private set; }

    /// <summary>Everything was counted. Not where pieces of metadata lie over each other in very many clusters.</summary>
    public bool AreComplete { get; private set; } = true;

    /// <summary>The active L1 table lies over nothing else.</summary>
    public bool ActiveIsApart { get; private set; }

    /// <summary>Where all metadata is.</summary>
    public ClaimedClusters Claims => _claims;

    /// <summary>Counts.</summary>
    /// <param name="store">The image.</param>
    /// <param name="findings">Receives what cannot be.</param>
    /// <param name="withRefcounts">Counts also the refcount table and its blocks; without them what is left to count is the rest.</param>
    /// <param name="unpacks">Looks also whether compressed clusters can be unpacked.</param>
    /// <param name="findsRepeated">Looks also for L2 tables that one snapshot names twice. They are counted as they should be; all that they prevent is
    /// that this snapshot is deleted or applied.</param>
    /// <param name="withBitmaps">Counts also the bitmaps.</param>
    public static References Count(
        Qcow2Store store, Findings findings, bool withRefcounts, bool unpacks = false, bool findsRepeated = false, bool withBitmaps = true)
    {
        References result = new(store, findings, unpacks, findsRepeated);
        result.Claim(0, 1, 0, "the header");
        if (withRefcounts)
        {
            result.CountRefcounts();
        }
        SnapshotTable snapshots = store.Snapshots;
        result.Claim(store.Header.SnapshotsOffset, snapshots.Bytes, Qcow2Header.SnapshotsAt, "the snapshot table");
        result.CountActive();
        foreach (SnapshotEntry snapshot in snapshots.Entries)
        {
            result.CountSnapshot(snapshot);
        }
        result.ClaimTables();
        if (withBitmaps)
        {
            result.CountBitmaps();
        }
        // Not before all metadata is claimed: no data lies where any is.
        result.CountTables();
        result._packed?.Look();
        return result;
    }

    /// <summary>Whether the bitmaps by themselves are as they should be.</summary>
    public static bool AreBitmapsSound(Qcow2Store store)
    {
        Findings findings = new();
        new References(store, findings, unpacks: false, findsRepeated: false).CountBitmaps();
        return !findings.Errors.Any;
    }

    private void CountRefcounts()
    {
        Claim(_store.Refcounts.Offset, _store.Refcounts.Bytes, Qcow2Header.RefcountTableAt, "the refcount table");
        for (ulong i = 0; _store.Refcounts.TryNext(ref i); i++)
        {
            ulong pointerAt = _store.Refcounts.Offset + (i * 8);
            if (_store.Refcounts.TryBlock(i, out ulong block))
            {
                Claim(block, _layout.ClusterBytes, pointerAt, "a refcount block");
            }
            else
            {
                _findings.Errors.Add(_store.Refcounts.Misplaced(i, block).Message);
            }
        }
    }

    private void CountActive()
    {
        ActiveIsApart = Claim(_store.Header.L1Offset, _store.L1Bytes, Qcow2Header.L1EntriesAt, "the L1 table");
        if (!ActiveIsApart)
        {
            return;
        }
        _store.File.ForEachWord(_store.Header.L1Offset, _store.Header.L1Entries, (slot, entry) => AddTable((int)slot, entry, active: true, "the L1 table"));
    }

    private void CountSnapshot(SnapshotEntry snapshot)
    {
        string what = $"the L1 table of snapshot {Printable.Start(snapshot.Id, MostOfName)}";
        try
        {
            snapshot.Validate(_store.File, _layout, _store.Header.Size);
            if (Claim(snapshot.L1Offset, snapshot.L1Entries * 8UL, Qcow2Header.L1EntriesAt, what))
            {
                int first = _tables.Count;
                _store.File.ForEachWord(snapshot.L1Offset, snapshot.L1Entries, (slot, entry) => AddTable((int)slot, entry, active: false, what));
                FindRepeated(first, what);
            }
        }
        catch (ImageFormatException e)
        {
            _findings.Errors.Add(e.Message);
        }
    }

    /// <summary>Finds L2 tables that two entries of one snapshot name, among those that were added last; snapshots may share theirs.</summary>
    private void FindRepeated(int first, string what)
    {
        if (!_findsRepeated)
        {
            return;
        }
        // In place, as all will be sorted in the end: there may be millions.
        Span<ulong> tables = CollectionsMarshal.AsSpan(_tables)[first..];
        Span<int> slots = CollectionsMarshal.AsSpan(_slots)[first..];
        Ascending.Sort(tables, slots);
        for (int i = 1; i < tables.Length; i++)
        {
            if (tables[i] == tables[i - 1])
            {
                _findings.Errors.Add($"entry {slots[i]} of {what} names the L2 table at {tables[i] & ~1UL} that another of its entries names");
            }
        }
    }

    private void AddTable(int slot, ulong entry, bool active, string what)
    {
        if (!ClusterMap.IsTable(_store, entry))
        {
            _findings.Errors.Add($"entry {slot} of {what} names no whole cluster of the file: {entry:x}");
        }
        else if (entry != 0)
        {
            _tables.Add((entry & Qcow2Layout.OffsetMask) | (active ? 0 : 1UL));
            _slots.Add(slot);
        }
    }

    private void ClaimTables()
    {
        Ascending.Sort(_tables, _slots);
        for (int first = 0, next; first < _tables.Count; first = next)
        {
            next = Behind(first);
            ClaimTable(first, next);
        }
    }

    private void CountTables()
    {
        Span<ulong> tables = CollectionsMarshal.AsSpan(_tables);
        Span<int> slots = CollectionsMarshal.AsSpan(_slots);
        for (int first = 0, next; first < tables.Length; first = next)
        {
            next = Behind(first);
            CountTable(tables[first] & ~1UL, slots[first], (uint)(next - first), active: (tables[first] & 1) == 0);
        }
    }

    /// <summary>The first entry behind one that names another table.</summary>
    private int Behind(int first)
    {
        int next = first + 1;
        while (next < _tables.Count && (_tables[next] ^ _tables[first]) <= 1)
        {
            next++;
        }
        return next;
    }

    private void ClaimTable(int first, int next)
    {
        ulong table = _tables[first] & ~1UL;
        for (int i = first + 1; i < next && _tables[i] == table; i++)
        {
            _findings.Errors.Add($"entry {_slots[i]} of the L1 table names the L2 table at {table} that another entry names");
        }
        // Once by the claim, and once for each further entry.
        if (Claim(table, _layout.ClusterBytes, table, "an L2 table") && next - first > 1)
        {
            Counts.Add(table >> _layout.ClusterBits, (uint)(next - first - 1));
        }
    }

    private void CountTable(ulong table, int slot, uint times, bool active)
    {
        _scan.Start(table);
        while (_scan.TryNext(out int index, out L2Entry entry))
        {
            CountEntry(entry, table, ((ulong)slot << _layout.L1Shift) + ((ulong)index << _layout.ClusterBits), times, active);
        }
    }

    /// <summary>Counts what an entry names.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="table">Its table.</param>
    /// <param name="offset">Byte offset on the disk, of one of the states that share the table: with a data file there is only one.</param>
    /// <param name="times">L1 entries that name the table.</param>
    /// <param name="active">The active one is among them.</param>
    private void CountEntry(L2Entry entry, ulong table, ulong offset, uint times, bool active)
    {
        string? fault = _scan.Map.Fault(entry, offset, _claims);
        if (fault is null && !entry.IsCompressed && ClusterMap.IsAllocated(entry))
        {
            fault = _scan.Map.DataFault(entry, offset, _claims);
        }
        if (fault is not null)
        {
            _findings.Errors.Add($"the entry of disk offset {offset} in the L2 table at {table}: expected {fault}, found {entry.Raw:x} {entry.Bits:x}");
            return;
        }
        if (entry.IsCompressed && !MayCountPacked(entry, offset, table))
        {
            return;
        }
        bool placed = entry.IsCompressed || ClusterMap.IsAllocated(entry);
        Placed += placed && active ? 1UL : 0;
        if (entry.IsCompressed)
        {
            _packed?.Add(entry, table);
        }
        if (placed && _store.DataFile is null)
        {
            (ulong start, ulong length) = entry.IsCompressed ? entry.Packed(_layout) : (entry.HostOffset, _layout.ClusterBytes);
            for (ulong cluster = start >> _layout.ClusterBits; cluster <= (start + length - 1) >> _layout.ClusterBits; cluster++)
            {
                Counts.Add(cluster, times);
            }
        }
    }

    /// <summary>Judges what can be read all the same, and QEMU reads: its check finds it.</summary>
    private bool MayCountPacked(L2Entry entry, ulong offset, ulong table)
    {
        void Add(string expected, string found) => _findings.Errors.Add($"the entry of disk offset {offset} in the L2 table at {table}: expected {expected}, found {found}");

        if (entry.Bits != 0)
        {
            Add("no subclusters in compressed data", $"{entry.Bits:x}");
        }
        (ulong start, ulong length) = entry.Packed(_layout);
        // The last cluster of the file need not be there to its end.
        bool inFile = start + length < _store.File.Length + _layout.ClusterBytes;
        if (!inFile)
        {
            Add($"compressed data that ends in a cluster of the file, which has {_store.File.Length} bytes", $"{length} bytes at {start}");
        }
        return inFile;
    }

    private void CountBitmaps()
    {
        ulong extensionAt = _store.Extensions.Bitmaps?.ExtensionAt ?? 0;
        try
        {
            new BitmapScan(_store, _findings.Errors, (offset, length) => Claim(offset, length, extensionAt, "a bitmap")).Run();
        }
        catch (ImageFormatException e)
        {
            _findings.Errors.Add(e.Message);
        }
    }

    /// <summary>Counts a piece of metadata, and finds what it overlaps.</summary>
    private bool Claim(ulong offset, ulong bytes, ulong pointerAt, string what)
    {
        if (bytes > 0 && (offset % _layout.ClusterBytes != 0 || offset > Qcow2Layout.OffsetMask || !_store.File.Reaches(offset + bytes - 1 - (bytes - 1) % _layout.ClusterBytes)))
        {
            _findings.Errors.Add($"{what} at {offset} is not in clusters of the file");
            return false;
        }
        // What is claimed counts by that.
        bool apart = _claims.TryClaim(offset, bytes);
        if (!apart)
        {
            CountAgain(offset, bytes);
            _findings.Errors.Add(_claims.Conflict(offset, pointerAt, what).Message);
        }
        return apart;
    }

    /// <summary>Counts clusters that are others' too.</summary>
    private void CountAgain(ulong offset, ulong bytes)
    {
        ulong count = _layout.Clusters(bytes);
        AreComplete &= count <= _repeatable;
        if (!AreComplete)
        {
            return;
        }
        _repeatable -= count;
        for (ulong i = 0; i < count; i++)
        {
            Counts.Add((offset >> _layout.ClusterBits) + i);
        }
    }
}
