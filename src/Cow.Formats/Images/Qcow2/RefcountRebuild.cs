// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Makes the refcounts what the references say: after a crash with the dirty bit set, and for repair.
/// </summary>
/// <remarks>Where the table and its blocks are sound the counts are corrected in place. Else a new table with new blocks is put behind the end of
/// the file, never into free clusters inside it: a former process may have given those out. Order: table and blocks, flush, header, flush. How
/// much is read and written is bounded by the file, not by the size of the disk.</remarks>
internal sealed class RefcountRebuild(Qcow2Store store)
{
    /// <summary>Clusters of metadata at most whose counts are set: of 512 bytes, four times as many as the L2 tables of the largest disk. Tables of
    /// snapshots and bitmaps can be billions in holes.</summary>
    private const ulong MostMetadata = 1 << 24;

    private readonly Qcow2Layout _layout = store.Layout;

    /// <summary>Rebuilds; durable on return.</summary>
    /// <param name="findings">Receives what cannot be: nothing of it is counted.</param>
    public void Run(Findings findings)
    {
        Findings structure = new();
        References references = References.Count(store, structure, withRefcounts: true);
        if (!references.AreComplete)
        {
            throw new ImageFormatException(store.File.Name, 0, "metadata that may be told apart", "pieces of it one over the other in too many clusters");
        }
        if (references.Claims.Total > MostMetadata)
        {
            throw new ImageFormatException(store.File.Name, 0, $"metadata in {MostMetadata} clusters at most", $"{references.Claims.Total}");
        }
        if (!IsSound(references.Counts))
        {
            references = References.Count(store, findings, withRefcounts: false);
            Replace(references.Counts);
        }
        else
        {
            if (structure.Errors.Any)
            {
                References.Count(store, findings, withRefcounts: false);
            }
            Correct(references.Counts);
        }
        store.File.Flush();
    }

    /// <summary>Whether every block is where only it is, and there is one for every cluster in use.</summary>
    private bool IsSound(ClusterCounts counts)
    {
        try
        {
            bool sound = store.Refcounts.Capacity > 0;
            for (ulong i = 0; i < (ulong)store.Refcounts.Capacity && sound; i++)
            {
                ulong block = store.Refcounts.Block(i);
                sound = block == 0 || counts[block >> _layout.ClusterBits] == 1;
            }
            ulong table = store.Refcounts.Offset >> _layout.ClusterBits;
            for (ulong i = 0; i < _layout.Clusters(store.Refcounts.Bytes) && sound; i++)
            {
                sound = counts[table + i] == 1;
            }
            return sound && counts.Used().All(HasBlocks);
        }
        catch (ImageFormatException)
        {
            return false;
        }
    }

    private bool HasBlocks((ulong Cluster, ulong Length, ulong Count) used)
    {
        ulong last = (used.Cluster + used.Length - 1) >> _layout.BlockBits;
        for (ulong index = used.Cluster >> _layout.BlockBits; index <= last; index++)
        {
            if (store.Refcounts.Block(index) == 0)
            {
                return false;
            }
        }
        return true;
    }

    private void Correct(ClusterCounts counts)
    {
        foreach ((ulong first, ulong length, _) in counts.Used())
        {
            for (ulong cluster = first; cluster < first + length; cluster++)
            {
                CorrectOne(counts, cluster, store.Refcounts.Get(cluster));
            }
        }
        // What is used counts right now: left are counts of what is not.
        byte[] row = new byte[MetadataFile.SectorBytes];
        for (ulong index = 0; store.Refcounts.TryNext(ref index); index++)
        {
            ulong end = store.File.IsHole(store.Refcounts.Block(index), _layout.ClusterBytes) ? 0 : (index + 1) << _layout.BlockBits;
            for (ulong cluster = index << _layout.BlockBits; cluster < end;)
            {
                ulong read = store.Refcounts.Read(cluster, row);
                for (ulong i = row.AsSpan().ContainsAnyExcept((byte)0) ? 0 : read; i < read; i++)
                {
                    CorrectOne(counts, cluster + i, Refcounts.Value(row, i, _layout.RefcountOrder));
                }
                cluster += read;
            }
        }
    }

    private void CorrectOne(ClusterCounts counts, ulong cluster, ulong refcount)
    {
        if (refcount != counts[cluster])
        {
            store.Refcounts.Set(cluster, 1, Possible(counts, cluster));
        }
    }

    private void Replace(ClusterCounts counts)
    {
        ulong start = Math.Max(_layout.Clusters(store.File.Length), counts.End());
        (ulong tableClusters, ulong[] indices) = Measure(counts, start);
        ulong end = start + tableClusters + (ulong)indices.Length;
        ulong most = store.File.CanGrow ? Qcow2Layout.OffsetMask : store.File.Length;
        bool fits = IsTable(tableClusters) && end << _layout.ClusterBits <= most;
        if (!fits)
        {
            throw new ImageFormatException(store.File.Name, Qcow2Header.RefcountTableAt, $"room behind the end for new refcounts of {end} clusters", $"{store.File.Length} bytes");
        }
        for (ulong cluster = start; cluster < end; cluster++)
        {
            counts.Add(cluster);
        }
        ulong[] table = new ulong[(tableClusters << _layout.ClusterBits) / 8];
        for (int i = 0; i < indices.Length; i++)
        {
            table[indices[i]] = (start + tableClusters + (ulong)i) << _layout.ClusterBits;
            store.File.Write(BlockOf(counts, indices[i]), table[indices[i]]);
        }
        ulong offset = start << _layout.ClusterBits;
        store.File.WriteTable(table, offset);
        store.File.Flush();
        store.ChangeHeader(store.Header with { RefcountTableOffset = offset, RefcountTableClusters = (uint)tableClusters });
        store.File.Flush();
        store.Refcounts.Replace(offset, table);
    }

    /// <summary>Clusters of a table for all clusters in use and itself, and the blocks that are needed.</summary>
    private (ulong TableClusters, ulong[] Indices) Measure(ClusterCounts counts, ulong start)
    {
        SortedSet<ulong> indices = [];
        foreach ((ulong cluster, ulong length, _) in counts.Used())
        {
            AddBlocks(indices, cluster, cluster + length);
        }
        ulong table = 1;
        while (true)
        {
            ulong end = start + table + (ulong)indices.Count;
            AddBlocks(indices, start, end);
            ulong needed = _layout.Clusters((indices.Max + 1) * 8);
            if ((needed <= table && end == start + table + (ulong)indices.Count) || !IsTable(needed))
            {
                return (Math.Max(table, needed), [.. indices]);
            }
            table = Math.Max(table, needed);
        }
    }

    private bool IsTable(ulong clusters) => clusters << _layout.ClusterBits <= Qcow2Header.MaxRefcountTableBytes;

    private void AddBlocks(SortedSet<ulong> indices, ulong cluster, ulong end)
    {
        for (ulong index = cluster >> _layout.BlockBits; index <= (end - 1) >> _layout.BlockBits; index++)
        {
            indices.Add(index);
        }
    }

    private byte[] BlockOf(ClusterCounts counts, ulong index)
    {
        byte[] block = new byte[_layout.ClusterBytes];
        ulong first = index << _layout.BlockBits;
        for (ulong i = 0; i < 1UL << _layout.BlockBits; i++)
        {
            ulong count = Possible(counts, first + i);
            if (count != 0)
            {
                Refcounts.SetValue(block, i, _layout.RefcountOrder, count);
            }
        }
        return block;
    }

    private ulong Possible(ClusterCounts counts, ulong cluster)
    {
        ulong count = counts[cluster];
        return count <= _layout.MaxRefcount ? count : throw new ImageFormatException(store.File.Name, (long)(cluster << _layout.ClusterBits), $"{_layout.MaxRefcount} references to a cluster at most", $"{count}");
    }
}
