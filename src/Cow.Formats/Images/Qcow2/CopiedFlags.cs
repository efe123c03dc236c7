// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Qcow2;

/// <summary>Holds COPIED of the active tables against the refcounts: it is set where the count is exactly 1.</summary>
internal static class CopiedFlags
{
    /// <summary>Visits the entries of the active tables whose flag is wrong.</summary>
    /// <param name="store">The image. Entries that cannot be are passed by.</param>
    /// <param name="claims">Where metadata is, and data cannot be.</param>
    /// <param name="wrong">Is told what kind of entry, its byte offset, the entry, and the refcount of what it names.</param>
    public static void Visit(Qcow2Store store, ClaimedClusters claims, Action<string, ulong, ulong, ulong> wrong)
    {
        List<ulong> tables = [];
        List<ulong> slots = [];
        store.File.ForEachWord(store.Header.L1Offset, store.Header.L1Entries, (slot, entry) =>
        {
            if (ClusterMap.IsTable(store, entry))
            {
                ulong table = entry & Qcow2Layout.OffsetMask;
                Judge("the L1 entry", store.L1EntryAt(slot), entry, CountOf(store, table), wrong);
                tables.Add(table);
                slots.Add(slot);
            }
        });
        VisitTables(store, claims, tables, slots, wrong);
    }

    /// <summary>Corrects them; not yet durable.</summary>
    /// <param name="store">The image.</param>
    /// <param name="claims">Where metadata is.</param>
    /// <param name="sets">Not only clears them. Something that could not be counted may read what counts once, and would see it written in place.</param>
    public static void Correct(Qcow2Store store, ClaimedClusters claims, bool sets = true)
    {
        Visit(store, claims, (_, at, entry, count) =>
        {
            if (count != 1)
            {
                store.File.Patch64(at, entry & ~Qcow2Layout.Copied);
            }
            else if (sets)
            {
                store.File.Patch64(at, entry | Qcow2Layout.Copied);
            }
        });
        store.File.Finish();
    }

    /// <summary>Each once, however many entries name it.</summary>
    private static void VisitTables(Qcow2Store store, ClaimedClusters claims, List<ulong> tables, List<ulong> slots, Action<string, ulong, ulong, ulong> wrong)
    {
        TableScan scan = new(store);
        Ascending.Sort(tables, slots);
        for (int i = 0; i < tables.Count; i++)
        {
            if (i == 0 || tables[i] != tables[i - 1])
            {
                VisitTable(store, claims, scan, tables[i], slots[i] << store.Layout.L1Shift, wrong);
            }
        }
    }

    /// <summary>Visits a table that maps the disk from a byte offset on.</summary>
    private static void VisitTable(Qcow2Store store, ClaimedClusters claims, TableScan scan, ulong table, ulong start, Action<string, ulong, ulong, ulong> wrong)
    {
        scan.Start(table);
        while (scan.TryNext(out int index, out L2Entry entry))
        {
            ulong offset = start + ((ulong)index << store.Layout.ClusterBits);
            if (!entry.IsCompressed && ClusterMap.IsAllocated(entry) && scan.Map.Fault(entry, offset, claims) is null && scan.Map.DataFault(entry, offset, claims) is null)
            {
                // An external data file has no counts: it is this disk's alone.
                ulong count = store.DataFile is null ? CountOf(store, entry.HostOffset) : 1;
                Judge("the L2 entry", table + ((ulong)index << store.Layout.EntryBits), entry.Raw, count, wrong);
            }
        }
    }

    private static ulong CountOf(Qcow2Store store, ulong host) => store.Refcounts.GetSparsely(host >> store.Layout.ClusterBits);

    private static void Judge(string what, ulong at, ulong entry, ulong count, Action<string, ulong, ulong, ulong> wrong)
    {
        if (((entry & Qcow2Layout.Copied) != 0) != (count == 1))
        {
            wrong(what, at, entry, count);
        }
    }
}
