// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>Judges all metadata: refcounts against references, COPIED against refcounts, and whether anything is where it cannot be.</summary>
internal static class Qcow2Check
{
    /// <summary>Judges.</summary>
    /// <param name="store">The image; what was written is read again, past what is gathered in memory.</param>
    /// <param name="held">Clusters that may have one reference more than the file names: taken by a writer at work.</param>
    public static CheckReport Run(Qcow2Store store, IEnumerable<ulong> held)
    {
        Findings findings = new();
        ulong placed = 0;
        try
        {
            References references = References.Count(store, findings, withRefcounts: true, unpacks: true, findsRepeated: true);
            placed = references.Placed;
            ClusterCounts tolerated = new();
            foreach (ulong cluster in held)
            {
                tolerated.Add(cluster);
            }
            FindUncounted(store, references.Counts, findings);
            CompareBlocks(store, references.Counts, tolerated, findings);
            CopiedFlags.Visit(store, references.Claims, (what, at, entry, count) => findings.Errors.Add($"{what} at {at} is {entry:x}, but the refcount of what it names is {count}"));
            Marks(store, findings);
        }
        catch (ImageFormatException e)
        {
            findings.Errors.Add(e.Message);
        }
        return findings.Report(placed);
    }

    /// <summary>Finds refcounts that are lower than the references, in the file.</summary>
    public static void FindUncounted(Qcow2Store store, ClusterCounts counts, Findings findings)
    {
        foreach ((ulong cluster, ulong length, ulong count) in counts.Used())
        {
            if (length > 1)
            {
                CompareClaimed(store, cluster, cluster + length, findings);
                continue;
            }
            ulong refcount = store.Refcounts.GetSparsely(cluster);
            if (refcount < count)
            {
                findings.Errors.Add($"cluster {cluster} has refcount {refcount}, and {count} references");
            }
        }
    }

    private static void CompareBlocks(Qcow2Store store, ClusterCounts counts, ClusterCounts tolerated, Findings findings)
    {
        HashSet<ulong> seen = [];
        for (ulong i = 0; store.Refcounts.TryNext(ref i); i++)
        {
            if (seen.Add(store.Refcounts.Block(i)))
            {
                CompareBlock(store, i, counts, tolerated, findings);
            }
        }
    }

    /// <summary>Compares clusters with one reference each. There may be billions, in holes: they are looked at in blocks and rows.</summary>
    private static void CompareClaimed(Qcow2Store store, ulong cluster, ulong end, Findings findings)
    {
        Span<byte> row = stackalloc byte[MetadataFile.SectorBytes];
        for (ulong behind; cluster < end; cluster = behind)
        {
            ulong index = cluster >> store.Layout.BlockBits;
            if (store.Refcounts.IsEmpty(index))
            {
                behind = index < (ulong)store.Refcounts.Capacity ? Math.Min(end, (index + 1) << store.Layout.BlockBits) : end;
                Uncounted(cluster, behind, findings);
            }
            else
            {
                ulong perRow = ((ulong)row.Length << 3) >> store.Layout.RefcountOrder;
                ulong first = cluster & ~(perRow - 1);
                behind = Math.Min(end, first + store.Refcounts.Read(first, row));
                CompareRow(row, store.Layout.RefcountOrder, first, cluster, behind, findings);
            }
        }
    }

    private static void CompareRow(ReadOnlySpan<byte> row, int order, ulong first, ulong cluster, ulong end, Findings findings)
    {
        if (findings.Errors.IsFull && end - cluster == ((ulong)row.Length << 3) >> order)
        {
            findings.Errors.AddMore(Refcounts.Zeros(row, order));
            return;
        }
        for (; cluster < end; cluster++)
        {
            if (Refcounts.Value(row, cluster - first, order) == 0)
            {
                Uncounted(cluster, cluster + 1, findings);
            }
        }
    }

    private static void Uncounted(ulong cluster, ulong end, Findings findings)
    {
        for (; cluster < end && !findings.Errors.IsFull; cluster++)
        {
            findings.Errors.Add($"cluster {cluster} has refcount 0, and 1 references");
        }
        findings.Errors.AddMore(end - cluster);
    }

    private static void CompareBlock(Qcow2Store store, ulong index, ClusterCounts counts, ClusterCounts tolerated, Findings findings)
    {
        Span<byte> row = stackalloc byte[MetadataFile.SectorBytes];
        ulong end = (index + 1) << store.Layout.BlockBits;
        for (ulong cluster = store.Refcounts.PastHoles(index << store.Layout.BlockBits); cluster < end; cluster = store.Refcounts.PastHoles(cluster))
        {
            ulong read = store.Refcounts.Read(cluster, row);
            for (ulong i = row.ContainsAnyExcept((byte)0) ? 0 : read; i < read; i++)
            {
                ulong refcount = Refcounts.Value(row, i, store.Layout.RefcountOrder);
                ulong most = counts[cluster + i] + tolerated[cluster + i];
                if (refcount > most)
                {
                    findings.Leaks.Add($"cluster {cluster + i} has refcount {refcount}, and {counts[cluster + i]} references");
                }
            }
            cluster += read;
        }
    }

    private static void Marks(Qcow2Store store, Findings findings)
    {
        if (store.Header.Has(IncompatibleFeatures.Corrupt))
        {
            findings.Errors.Add("the image is marked corrupt");
        }
    }
}
