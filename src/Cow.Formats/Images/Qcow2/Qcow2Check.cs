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
            References references = References.Count(store, findings, withRefcounts: true, unpacks: true);
            placed = references.Placed;
            ClusterCounts tolerated = new();
            foreach (ulong cluster in held)
            {
                tolerated.Add(cluster);
            }
            Compare(store, references.Counts, tolerated, findings);
            CopiedFlags.Visit(store, (what, at, entry, count) => findings.Errors.Add($"{what} at {at} is {entry:x}, but the refcount of what it names is {count}"));
            Marks(store, findings);
        }
        catch (ImageFormatException e)
        {
            findings.Errors.Add(e.Message);
        }
        return findings.Report(placed);
    }

    private static void Compare(Qcow2Store store, ClusterCounts counts, ClusterCounts tolerated, Findings findings)
    {
        foreach ((ulong cluster, ulong count) in counts.Used())
        {
            ulong refcount = store.Refcounts.GetSparsely(cluster);
            if (refcount < count)
            {
                findings.Errors.Add($"cluster {cluster} has refcount {refcount}, and {count} references");
            }
        }
        HashSet<ulong> seen = [];
        for (ulong i = 0; store.Refcounts.TryNext(ref i); i++)
        {
            if (seen.Add(store.Refcounts.Block(i)))
            {
                CompareBlock(store, i, counts, tolerated, findings);
            }
        }
    }

    private static void CompareBlock(Qcow2Store store, ulong index, ClusterCounts counts, ClusterCounts tolerated, Findings findings)
    {
        if (store.File.IsHole(store.Refcounts.Block(index), store.Layout.ClusterBytes))
        {
            return;
        }
        Span<byte> row = stackalloc byte[MetadataFile.SectorBytes];
        ulong end = (index + 1) << store.Layout.BlockBits;
        for (ulong cluster = index << store.Layout.BlockBits; cluster < end;)
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
