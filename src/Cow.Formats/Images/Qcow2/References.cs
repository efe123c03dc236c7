// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Counts what refers to each cluster, by all tables of the image: what the refcounts should be.
/// </summary>
/// <remarks>Bounded by the file: every table is read once, whatever the number of snapshots that share it, and L1 tables of snapshots that overlap
/// are an error and left out. What cannot be is reported and not counted.</remarks>
internal sealed class References
{
    private readonly Qcow2Store _store;
    private readonly Qcow2Layout _layout;
    private readonly Findings _findings;
    private readonly ClusterMap _map;
    private readonly ClaimedClusters _claims;
    private readonly PackedClusters _packed;

    // Compressed bytes that are still unpacked for a look. Honest clusters have theirs for themselves, so they do not exceed the file.
    private ulong _unpackable;

    // L2 tables, with the number of L1 entries that name them and whether an active one does.
    private readonly Dictionary<ulong, (uint Times, bool Active, int Slot)> _tables = [];

    private References(Qcow2Store store, Findings findings)
    {
        _store = store;
        _layout = store.Layout;
        _findings = findings;
        _map = new ClusterMap(store, active: true);
        _claims = new ClaimedClusters(store.File.Name, _layout);
        _packed = new PackedClusters(store);
    }

    /// <summary>The references.</summary>
    public ClusterCounts Counts { get; } = new();

    /// <summary>Clusters of the disk with a host cluster of their own, or compressed.</summary>
    public ulong Placed { get; private set; }

    /// <summary>Where all metadata is.</summary>
    public ClaimedClusters Claims => _claims;

    /// <summary>Counts.</summary>
    /// <param name="store">The image.</param>
    /// <param name="findings">Receives what cannot be.</param>
    /// <param name="withRefcounts">Counts also the refcount table and its blocks; without them what is left to count is the rest.</param>
    /// <param name="unpacks">Looks also whether compressed clusters can be unpacked.</param>
    public static References Count(Qcow2Store store, Findings findings, bool withRefcounts, bool unpacks = false)
    {
        References result = new(store, findings) { _unpackable = unpacks ? store.File.Length : 0 };
        result.Claim(0, 1, 0, "the header");
        if (withRefcounts)
        {
            result.CountRefcounts();
        }
        result.Claim(store.Header.SnapshotsOffset, store.Snapshots.Bytes, Qcow2Header.SnapshotsAt, "the snapshot table");
        result.CountL1(store.Header.L1Offset, store.L1, active: true, "the L1 table");
        foreach (SnapshotEntry snapshot in store.Snapshots.Entries)
        {
            result.CountSnapshot(snapshot);
        }
        result.ClaimTables();
        result.CountTables();
        result.CountBitmaps();
        return result;
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

    private void CountSnapshot(SnapshotEntry snapshot)
    {
        try
        {
            snapshot.Validate(_store.File, _layout, _store.Header.Size);
            CountL1(snapshot.L1Offset, _store.File.ReadTable(snapshot.L1Offset, snapshot.L1Entries), active: false, $"the L1 table of snapshot {snapshot.Id}");
        }
        catch (ImageFormatException e)
        {
            _findings.Errors.Add(e.Message);
        }
    }

    private void CountL1(ulong offset, ulong[] l1, bool active, string what)
    {
        if (!Claim(offset, (ulong)l1.Length * 8, Qcow2Header.L1EntriesAt, what))
        {
            return;
        }
        for (int i = 0; i < l1.Length; i++)
        {
            if (!ClusterMap.IsTable(_store, l1[i]))
            {
                _findings.Errors.Add($"entry {i} of {what} names no cluster of the file: {l1[i]:x}");
            }
            else if (l1[i] != 0)
            {
                ulong table = l1[i] & Qcow2Layout.OffsetMask;
                (uint times, bool isActive, int _) = _tables.GetValueOrDefault(table);
                if (active && isActive)
                {
                    _findings.Errors.Add($"entry {i} of {what} names the L2 table at {table} that another entry names");
                }
                _tables[table] = (times + 1, isActive || active, i);
            }
        }
    }

    private void ClaimTables()
    {
        foreach ((ulong table, (uint times, bool _, int _)) in _tables)
        {
            if (Claim(table, _layout.ClusterBytes, table, "an L2 table"))
            {
                Counts.Add(table >> _layout.ClusterBits, times - 1);
            }
        }
    }

    private void CountTables()
    {
        byte[] bytes = new byte[_layout.ClusterBytes];
        foreach ((ulong table, (uint times, bool active, int slot)) in _tables)
        {
            _store.File.Read(bytes, table);
            for (int i = 0; _layout.TryNextEntry(bytes, ref i); i++)
            {
                L2Entry entry = _map.Decode(bytes.AsSpan(i << _layout.EntryBits));
                CountEntry(entry, table, ((ulong)slot << _layout.L1Shift) + ((ulong)i << _layout.ClusterBits), times, active);
            }
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
        string? fault = _map.Fault(entry, offset, _claims);
        if (fault is null && !entry.IsCompressed && ClusterMap.IsAllocated(entry))
        {
            fault = _map.DataFault(entry, offset, _claims);
        }
        if (fault is not null)
        {
            _findings.Errors.Add($"the entry of disk offset {offset} in the L2 table at {table}: expected {fault}, found {entry.Raw:x} {entry.Bits:x}");
            return;
        }
        bool placed = entry.IsCompressed || ClusterMap.IsAllocated(entry);
        Placed += placed && active ? 1UL : 0;
        if (entry.IsCompressed)
        {
            Unpack(entry, table);
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

    private void Unpack(L2Entry entry, ulong table)
    {
        ulong length = entry.Packed(_layout).Length;
        if (length > _unpackable)
        {
            return;
        }
        _unpackable -= length;
        try
        {
            _packed.Read(entry, table, 0, []);
        }
        catch (ImageFormatException e)
        {
            _findings.Errors.Add(e.Message);
            // Where all is garbage, enough has been said.
            _unpackable = _findings.Errors.IsFull ? 0 : _unpackable;
        }
    }

    private void CountBitmaps()
    {
        if (_store.Extensions.Bitmaps is not { } directory)
        {
            return;
        }
        try
        {
            foreach ((ulong offset, ulong length) in directory.Pieces(_store.File, _layout))
            {
                Claim(offset, length, directory.ExtensionAt, "a bitmap");
            }
        }
        catch (ImageFormatException e)
        {
            _findings.Errors.Add(e.Message);
        }
    }

    /// <summary>Counts a piece of metadata, and finds what it overlaps.</summary>
    private bool Claim(ulong offset, ulong bytes, ulong pointerAt, string what)
    {
        if (bytes > 0 && (offset % _layout.ClusterBytes != 0 || !_store.File.Reaches(offset + bytes - 1 - (bytes - 1) % _layout.ClusterBytes)))
        {
            _findings.Errors.Add($"{what} at {offset} is not in clusters of the file");
            return false;
        }
        for (ulong i = 0; i < _layout.Clusters(bytes); i++)
        {
            Counts.Add((offset >> _layout.ClusterBits) + i);
        }
        bool apart = _claims.TryClaim(offset, bytes);
        if (!apart)
        {
            _findings.Errors.Add(_claims.Conflict(offset, pointerAt, what).Message);
        }
        return apart;
    }
}
