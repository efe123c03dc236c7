// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Takes, deletes and applies snapshots inside an image that nobody else uses. Everything is durable on return.
/// </summary>
/// <remarks>Every step leaves counts that are at least the references, so that a crash leaks and nothing worse; what it may also leave is COPIED missing
/// where a count is 1. So the dirty bit is set meanwhile: whoever opens the image to write it then rebuilds counts and flags. Version 2 has no such bit;
/// there repair corrects them, and who writes without it copies once too often. An active entry never bears COPIED while its count is above 1: somebody
/// would write in place what a snapshot has. Each arrow is a flush.
/// Take: COPIED cleared -> counts up, copy of the L1 table, new snapshot table -> header -> old snapshot table free.
/// Delete: new snapshot table -> header -> counts down -> COPIED set where a count came down to 1.
/// Apply: COPIED cleared in the snapshot's tables, its counts up, copy of its L1 table -> header -> counts of the former state down -> COPIED.</remarks>
internal sealed class Qcow2Snapshots(Qcow2Store store)
{
    private readonly Qcow2Layout _layout = store.Layout;
    private readonly TableScan _scan = new(store);
    private bool _marked;

    /// <summary>Something may have been written.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Keeps the present state; gives the snapshot's id.</summary>
    public string Take(string name)
    {
        RequirePossible(name);
        RequireSound();
        ulong[] l1 = ReadActive();
        RequireRoomInCounts(l1);
        SnapshotEntry entry = new()
        {
            L1Entries = store.Header.L1Entries,
            IdBytes = Encoding.UTF8.GetBytes(NewId()),
            NameBytes = Encoding.UTF8.GetBytes(name),
            Seconds = (uint)DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            Extra = SnapshotEntry.ExtraOf(store.Header.Size),
        };
        ulong tableBytes = RequireRoomInTable(entry);
        (ulong l1At, ulong tableAt) = TakeRoom(store.L1Bytes, tableBytes);
        SnapshotTable table = SnapshotTable.Of([.. store.Snapshots.Entries, entry with { L1Offset = l1At }]);
        Mark();
        store.Allocator.Raise();
        ClearActiveCopied(l1);
        CountAll(l1, up: true);
        store.File.WriteTable(WithoutCopied(l1), l1At);
        store.Claims.Claim(l1At, entry.L1Entries * 8UL, Qcow2Header.SnapshotsAt, "the L1 table of a snapshot");
        WriteSnapshotTable(table, tableAt);
        Unmark();
        return entry.Id;
    }

    /// <summary>Deletes a snapshot; gives its id.</summary>
    public string Delete(string idOrName)
    {
        SnapshotEntry entry = Find(idOrName);
        RequireSound();
        ulong[] l1 = ReadSnapshot(entry);
        SnapshotTable table = SnapshotTable.Of([.. store.Snapshots.Entries.Where(e => e != entry)]);
        ulong tableAt = TakeRoom(table.Bytes);
        Mark();
        store.Allocator.Raise();
        WriteSnapshotTable(table, tableAt);
        CountAll(l1, up: false);
        DropTable(entry.L1Offset, entry.L1Entries);
        store.File.Flush();
        CopiedFlags.Correct(store, store.Claims);
        store.File.Flush();
        Unmark();
        return entry.Id;
    }

    /// <summary>Goes back to a snapshot; gives its id.</summary>
    public string Apply(string idOrName)
    {
        SnapshotEntry entry = Find(idOrName);
        ulong size = entry.DiskBytes == 0 ? store.Header.Size : entry.DiskBytes;
        if (size != store.Header.Size && store.Header.Version < 3)
        {
            throw new ArgumentException($"snapshot {idOrName} has another size than the disk, which version 2 cannot be given", nameof(idOrName));
        }
        RequireSound();
        ulong[] snapshot = ReadSnapshot(entry);
        ulong[] old = ReadActive();
        RequireRoomInCounts(snapshot);
        (ulong oldAt, uint oldEntries) = (store.Header.L1Offset, store.Header.L1Entries);
        ulong at = TakeRoom((ulong)snapshot.Length * 8);
        Mark();
        store.Allocator.Raise();
        // QEMU sets it there when it deletes another snapshot, and means nothing by it.
        ClearCopied(snapshot);
        CountAll(snapshot, up: true);
        store.File.WriteTable(WithoutCopied(snapshot), at);
        store.File.Flush();
        store.ChangeHeader(store.Header with { L1Offset = at, L1Entries = (uint)snapshot.Length, Size = size });
        store.File.Flush();

        CountAll(old, up: false);
        DropTable(oldAt, oldEntries);
        store.File.Flush();
        CopiedFlags.Correct(store, store.Claims);
        store.File.Flush();
        Unmark();
        store.ClaimAll();
        return entry.Id;
    }

    /// <summary>Counts and flags begin to disagree. Durable on return.</summary>
    private void Mark()
    {
        HasBegun = true;
        _marked = store.Header.Version >= 3 && !store.Header.Has(IncompatibleFeatures.Dirty);
        ToggleMark();
    }

    /// <summary>They agree again, durably.</summary>
    private void Unmark() => ToggleMark();

    private void ToggleMark()
    {
        if (_marked)
        {
            store.ChangeHeader(store.Header with { Incompatible = store.Header.Incompatible ^ IncompatibleFeatures.Dirty });
            store.File.Flush();
        }
    }

    /// <summary>The L1 table of a snapshot, each of whose tables is named once.</summary>
    private ulong[] ReadSnapshot(SnapshotEntry entry)
    {
        ulong[] l1 = store.File.ReadTable(entry.L1Offset, entry.L1Entries);
        HashSet<ulong> tables = [];
        for (int slot = 0; slot < l1.Length; slot++)
        {
            ulong table = l1[slot] & Qcow2Layout.OffsetMask;
            if (table != 0 && !tables.Add(table))
            {
                throw new ImageFormatException(store.File.Name, (long)entry.L1Offset + (slot * 8L), "an L2 table that no other entry of the snapshot names", $"{table}");
            }
        }
        return l1;
    }

    private ulong[] ReadActive() => store.File.ReadTable(store.Header.L1Offset, store.Header.L1Entries);

    private SnapshotEntry Find(string idOrName)
    {
        RequireNoDataFile();
        SnapshotEntry entry = store.Snapshots.Find(idOrName) ?? throw new ArgumentException($"there is no snapshot {idOrName}", nameof(idOrName));
        entry.Validate(store.File, _layout, store.Header.Size);
        return entry;
    }

    private void RequirePossible(string name)
    {
        RequireNoDataFile();
        if (string.IsNullOrEmpty(name) || name.Contains('\0', StringComparison.Ordinal) || name.Length > Qcow2Header.MaxNameBytes || store.Snapshots.Entries.Any(e => e.Name == name))
        {
            throw new ArgumentException($"a snapshot has a name of its own, not \"{name}\"", nameof(name));
        }
        if (store.Snapshots.Entries.Count >= Qcow2Header.MaxSnapshots)
        {
            throw new ArgumentException($"an image has {Qcow2Header.MaxSnapshots} snapshots at most");
        }
    }

    /// <summary>What a snapshot names would be in that file, where nothing is counted.</summary>
    private void RequireNoDataFile()
    {
        if (store.DataFile is not null)
        {
            throw new ArgumentException("the snapshots of an image with an external data file are never changed");
        }
    }

    /// <summary>One more than the largest there is, which QEMU counts in 64 bits, too.</summary>
    private string NewId()
    {
        ulong most = 0;
        foreach (SnapshotEntry entry in store.Snapshots.Entries)
        {
            bool counts = ulong.TryParse(entry.Id, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number);
            most = counts ? Math.Max(most, number) : most;
        }
        return most < ulong.MaxValue
            ? (most + 1).ToString(CultureInfo.InvariantCulture)
            : throw new ArgumentException($"no id comes after that of snapshot {most}");
    }

    /// <summary>Refuses an image with errors before anything is changed: what has fewer counts than references would come to be free, and tables over
    /// each other would be written.</summary>
    private void RequireSound()
    {
        Findings findings = new();
        References references = References.Count(store, findings, withRefcounts: true);
        Qcow2Check.FindUncounted(store, references.Counts, findings);
        if (findings.Errors.Any || !references.AreComplete)
        {
            throw new ImageFormatException(store.File.Name, 0, "an image without errors; check and repair it", findings.Errors.Any ? findings.Report(0).Errors[0] : "too many");
        }
    }

    /// <summary>Refuses counts that cannot go up by one for each reference of a state. A cluster may have many: compressed ones share.</summary>
    private void RequireRoomInCounts(ulong[] l1)
    {
        ClusterCounts references = new();
        VisitClusters(l1, (first, last) =>
        {
            for (ulong cluster = first; cluster <= last; cluster++)
            {
                references.Add(cluster);
            }
        });
        foreach ((ulong cluster, _, ulong count) in references.Used())
        {
            if (store.Refcounts.Get(cluster) > _layout.MaxRefcount - count)
            {
                throw new ArgumentException($"refcounts of {1 << _layout.RefcountOrder} bits have no room for another snapshot");
            }
        }
    }

    /// <summary>Gives the bytes of the table with a further snapshot.</summary>
    private ulong RequireRoomInTable(SnapshotEntry entry)
    {
        ulong bytes = store.Snapshots.Bytes + (ulong)entry.Length;
        return bytes <= SnapshotTable.MaxBytes ? bytes : throw new ArgumentException($"the table of snapshots has {SnapshotTable.MaxBytes} bytes at most");
    }

    private void CountAll(ulong[] l1, bool up) => VisitClusters(l1, (first, last) =>
    {
        for (ulong cluster = first; cluster <= last; cluster++)
        {
            if (up)
            {
                store.Refcounts.Set(cluster, 1, store.Refcounts.Get(cluster) + 1);
            }
            else
            {
                store.Allocator.Drop(cluster);
            }
        }
    });

    /// <summary>Visits every host cluster that a state refers to: once for each reference. Its tables are durable, so that holes in them are believed.</summary>
    private void VisitClusters(ulong[] l1, Action<ulong, ulong> visit)
    {
        foreach (ulong pointer in l1)
        {
            ulong table = ClusterMap.TableOf(store, pointer, store.Header.L1Offset);
            if (table != 0)
            {
                visit(table >> _layout.ClusterBits, table >> _layout.ClusterBits);
                VisitEntries(table, (_, entry) => VisitEntry(entry, visit));
            }
        }
    }

    private void VisitEntries(ulong table, Action<ulong, L2Entry> visit)
    {
        _scan.Start(table);
        while (_scan.TryNext(out int index, out L2Entry entry))
        {
            visit(table + ((ulong)index << _layout.EntryBits), entry);
        }
    }

    private void VisitEntry(L2Entry entry, Action<ulong, ulong> visit)
    {
        if (entry.IsCompressed)
        {
            (ulong offset, ulong length) = entry.Packed(_layout);
            visit(offset >> _layout.ClusterBits, (offset + length - 1) >> _layout.ClusterBits);
        }
        else if (entry.HostOffset != 0)
        {
            visit(entry.HostOffset >> _layout.ClusterBits, entry.HostOffset >> _layout.ClusterBits);
        }
    }

    private static ulong[] WithoutCopied(ulong[] l1) => Array.ConvertAll(l1, entry => entry & ~Qcow2Layout.Copied);

    /// <summary>Clears COPIED in all tables of the present state, durably: before the counts go up.</summary>
    private void ClearActiveCopied(ulong[] l1)
    {
        for (int slot = 0; slot < l1.Length; slot++)
        {
            if ((l1[slot] & Qcow2Layout.Copied) != 0)
            {
                store.File.Patch64(store.L1EntryAt((ulong)slot), l1[slot] & ~Qcow2Layout.Copied);
            }
        }
        ClearCopied(l1);
        store.File.Flush();
    }

    /// <summary>Clears COPIED in the L2 tables of a state.</summary>
    private void ClearCopied(ulong[] l1)
    {
        foreach (ulong table in l1.Select(entry => entry & Qcow2Layout.OffsetMask).Where(table => table != 0))
        {
            VisitEntries(table, (at, entry) =>
            {
                if (entry.Copied)
                {
                    store.File.Patch64(at, entry.Raw & ~Qcow2Layout.Copied);
                }
            });
        }
    }

    /// <summary>Takes room for two pieces of metadata, or for none: the first would be raised with whatever is taken next, and named by nothing.</summary>
    private (ulong First, ulong Second) TakeRoom(ulong bytes, ulong further)
    {
        ulong first = TakeRoom(bytes);
        try
        {
            return (first, TakeRoom(further));
        }
        catch (IOException)
        {
            for (ulong i = 0; i < _layout.Clusters(bytes); i++)
            {
                store.Allocator.GiveBack((first >> _layout.ClusterBits) + i);
            }
            throw;
        }
    }

    /// <summary>Takes room, in memory: nothing was written where there is none.</summary>
    private ulong TakeRoom(ulong bytes)
    {
        ulong clusters = _layout.Clusters(bytes);
        if (clusters == 0)
        {
            return 0;
        }
        ulong first = store.Allocator.TakeContiguous(clusters);
        if (first == 0)
        {
            throw NoRoom.For(store.File.Name, $"{bytes} bytes of metadata");
        }
        return first << _layout.ClusterBits;
    }

    /// <summary>Writes the table to room that was taken, switches the header to it, and gives the old one back.</summary>
    private void WriteSnapshotTable(SnapshotTable table, ulong at)
    {
        if (at != 0)
        {
            store.File.Write(table.ToBytes(), at);
            store.Claims.Claim(at, table.Bytes, Qcow2Header.SnapshotsAt, "the snapshot table");
        }
        store.File.Flush();
        (ulong oldAt, ulong oldBytes) = (store.Header.SnapshotsOffset, store.Snapshots.Bytes);
        store.ChangeHeader(store.Header with { SnapshotCount = (uint)table.Entries.Count, SnapshotsOffset = at });
        store.File.Flush();
        store.Snapshots = table;
        DropTable(oldAt, oldBytes / 8);
        store.File.Flush();
    }

    private void DropTable(ulong offset, ulong entries)
    {
        ulong clusters = _layout.Clusters(entries * 8);
        if (clusters > 0)
        {
            store.Claims.Release(offset, entries * 8);
        }
        for (ulong i = 0; i < clusters; i++)
        {
            store.Allocator.Drop((offset >> _layout.ClusterBits) + i);
        }
    }
}
