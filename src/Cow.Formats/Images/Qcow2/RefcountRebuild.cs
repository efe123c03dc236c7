// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Makes the refcounts what the references say: after a crash with the dirty bit set, and for repair.
/// </summary>
/// <remarks>Where the table and its blocks are sound the counts are corrected in place. Else a new table with new blocks is put behind the end of
/// the file, never into free clusters inside it: a former process may have given those out. Order: table and blocks, flush, header, flush. How
/// much is read and written is bounded by the file, not by the size of the disk. While there is something that cannot be counted, such as an entry with
/// a bit that nobody knows, what it names may be in use: then no count becomes less, and no table is made without the old ones.</remarks>
internal sealed class RefcountRebuild
{
    /// <summary>Clusters of metadata at most whose counts are set: of 512 bytes, four times as many as the L2 tables of the largest disk. Tables of
    /// snapshots and bitmaps can be billions in holes.</summary>
    private const ulong MostMetadata = 1 << 24;

    private readonly Qcow2Store _store;
    private readonly Qcow2Layout _layout;
    private readonly References _references;
    private readonly bool _sound;

    /// <summary>Counts, and judges whether what comes of it can be written; writes nothing.</summary>
    /// <param name="store">The image.</param>
    /// <param name="withBitmaps">The bitmaps stay. Else they are to be dropped before <see cref="Write"/>.</param>
    /// <exception cref="ImageFormatException">The refcounts cannot be rebuilt.</exception>
    public RefcountRebuild(Qcow2Store store, bool withBitmaps = true)
    {
        (_store, _layout) = (store, store.Layout);
        References references = References.Count(store, Findings, withRefcounts: true, withBitmaps: withBitmaps);
        RequirePossible(references);
        _sound = IsSound(references.Counts);
        if (!_sound || Findings.Errors.Any)
        {
            // What is wrong with the refcounts themselves is not there any more.
            ulong all = Findings.Errors.Count;
            Findings = new();
            References rest = References.Count(store, Findings, withRefcounts: false, withBitmaps: withBitmaps);
            _sound = _sound && all == Findings.Errors.Count;
            references = _sound ? references : rest;
        }
        _references = references;
        RequireRoomInCounts();
        if (!_sound && Findings.Errors.Any)
        {
            throw new ImageFormatException(store.File.Name, Qcow2Header.RefcountTableAt, "tables from which the refcounts can be made anew; convert the image", Findings.Report(0).Errors[0]);
        }
    }

    /// <summary>What cannot be: nothing of it is counted.</summary>
    public Findings Findings { get; } = new();

    /// <summary>Writes counts, and the flags that follow from them; durable on return.</summary>
    public void Write()
    {
        if (_sound)
        {
            Correct();
        }
        else
        {
            Replace();
        }
        _store.File.Flush();
        if (_references.ActiveIsApart)
        {
            CopiedFlags.Correct(_store, _references.Claims, sets: !Findings.Errors.Any);
            _store.File.Flush();
        }
    }

    private void RequirePossible(References references)
    {
        if (!references.AreComplete)
        {
            throw new ImageFormatException(_store.File.Name, 0, "metadata that may be told apart", "pieces of it one over the other in too many clusters");
        }
        if (references.Claims.Total > MostMetadata)
        {
            throw new ImageFormatException(_store.File.Name, 0, $"metadata in {MostMetadata} clusters at most", $"{references.Claims.Total}");
        }
    }

    private void RequireRoomInCounts()
    {
        foreach ((ulong cluster, _, ulong count) in _references.Counts.Used())
        {
            if (count > _layout.MaxRefcount)
            {
                throw new ImageFormatException(_store.File.Name, (long)(cluster << _layout.ClusterBits), $"{_layout.MaxRefcount} references to a cluster at most", $"{count}");
            }
        }
    }

    /// <summary>Whether every block is where only it is, and there is one for every cluster in use.</summary>
    private bool IsSound(ClusterCounts counts)
    {
        try
        {
            bool sound = _store.Refcounts.Capacity > 0;
            for (ulong i = 0; i < (ulong)_store.Refcounts.Capacity && sound; i++)
            {
                ulong block = _store.Refcounts.Block(i);
                sound = block == 0 || counts[block >> _layout.ClusterBits] == 1;
            }
            ulong table = _store.Refcounts.Offset >> _layout.ClusterBits;
            for (ulong i = 0; i < _layout.Clusters(_store.Refcounts.Bytes) && sound; i++)
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
            if (_store.Refcounts.Block(index) == 0)
            {
                return false;
            }
        }
        return true;
    }

    private void Correct()
    {
        using PackedCounts counts = new(_references.Counts, _layout.RefcountOrder);
        byte[] wanted = new byte[Math.Min(TableScan.MostBytes, (int)_layout.ClusterBytes)];
        byte[] present = new byte[wanted.Length];
        ulong clusters = (ulong)wanted.Length << 3 >> _layout.RefcountOrder;
        for (ulong index = 0; _store.Refcounts.TryNext(ref index); index++)
        {
            ulong end = (index + 1) << _layout.BlockBits;
            for (ulong first = index << _layout.BlockBits; first < end; first += clusters)
            {
                bool hole = _store.Refcounts.PastHoles(first) >= first + clusters;
                if (hole && !counts.Any(first, first + clusters))
                {
                    continue;
                }
                counts.Pack(first, wanted);
                present.AsSpan().Clear();
                _ = hole ? 0 : _store.Refcounts.Read(first, present);
                CorrectRows(first, present, wanted);
            }
        }
    }

    private void CorrectRows(ulong first, ReadOnlySpan<byte> present, Span<byte> wanted)
    {
        ulong perRow = (MetadataFile.SectorBytes * 8UL) >> _layout.RefcountOrder;
        for (int at = 0; at < wanted.Length; at += MetadataFile.SectorBytes, first += perRow)
        {
            ReadOnlySpan<byte> before = present.Slice(at, MetadataFile.SectorBytes);
            Span<byte> row = wanted.Slice(at, MetadataFile.SectorBytes);
            if (Findings.Errors.Any && !row.SequenceEqual(before))
            {
                KeepLarger(before, row, perRow);
            }
            if (!row.SequenceEqual(before))
            {
                _store.Refcounts.Write(first, row);
            }
        }
    }

    private void KeepLarger(ReadOnlySpan<byte> before, Span<byte> row, ulong counts)
    {
        for (ulong i = 0; i < counts; i++)
        {
            ulong count = Refcounts.Value(before, i, _layout.RefcountOrder);
            if (count > Refcounts.Value(row, i, _layout.RefcountOrder))
            {
                Refcounts.SetValue(row, i, _layout.RefcountOrder, count);
            }
        }
    }

    private void Replace()
    {
        MetadataFile file = _store.File;
        ulong start = Math.Max(_layout.Clusters(file.Length), _references.Counts.End());
        (ulong tableClusters, List<ulong> indices) = Measure(start);
        ulong end = start + tableClusters + (ulong)indices.Count;
        ulong most = file.CanGrow ? Qcow2Layout.OffsetMask : file.Length;
        bool fits = IsTable(tableClusters) && end << _layout.ClusterBits <= most;
        if (!fits)
        {
            throw new ImageFormatException(file.Name, Qcow2Header.RefcountTableAt, $"room behind the end for new refcounts of {end} clusters", $"{file.Length} bytes");
        }
        for (ulong cluster = start; cluster < end; cluster++)
        {
            _references.Counts.Add(cluster);
        }
        ulong[] table = new ulong[(tableClusters << _layout.ClusterBits) / 8];
        for (int i = 0; i < indices.Count; i++)
        {
            table[indices[i]] = (start + tableClusters + (ulong)i) << _layout.ClusterBits;
        }
        WriteBlocks(table, indices);
        ulong offset = start << _layout.ClusterBits;
        file.WriteTable(table, offset);
        file.Flush();
        _store.ChangeHeader(_store.Header with { RefcountTableOffset = offset, RefcountTableClusters = (uint)tableClusters });
        file.Flush();
        _store.Refcounts.Replace(offset, table);
    }

    /// <summary>Behind the end of the file, where all that is not written is zero.</summary>
    private void WriteBlocks(ulong[] table, List<ulong> indices)
    {
        using PackedCounts counts = new(_references.Counts, _layout.RefcountOrder);
        byte[] row = new byte[MetadataFile.SectorBytes];
        ulong perRow = ((ulong)row.Length << 3) >> _layout.RefcountOrder;
        foreach (ulong index in indices)
        {
            ulong end = (index + 1) << _layout.BlockBits;
            for (ulong first = index << _layout.BlockBits; counts.Any(first, end); first += perRow)
            {
                first = Math.Max(first, counts.First & ~(perRow - 1));
                counts.Pack(first, row);
                _store.File.Write(row, table[index] + (((first & ((1UL << _layout.BlockBits) - 1)) << _layout.RefcountOrder) >> 3));
            }
        }
        ulong last = table[indices[^1]] + _layout.ClusterBytes - (ulong)row.Length;
        if (!_store.File.Reaches(last))
        {
            row.AsSpan().Clear();
            _store.File.Write(row, last);
        }
    }

    /// <summary>Clusters of a table for all clusters in use and itself, and the blocks that are needed, in order.</summary>
    private (ulong TableClusters, List<ulong> Indices) Measure(ulong start)
    {
        List<ulong> indices = [];
        foreach ((ulong cluster, ulong length, _) in _references.Counts.Used())
        {
            AddBlocks(indices, cluster, cluster + length);
        }
        ulong table = 1;
        while (true)
        {
            ulong end = start + table + (ulong)indices.Count;
            AddBlocks(indices, start, end);
            ulong needed = _layout.Clusters((indices[^1] + 1) * 8);
            if ((needed <= table && end == start + table + (ulong)indices.Count) || !IsTable(needed))
            {
                return (Math.Max(table, needed), indices);
            }
            table = Math.Max(table, needed);
        }
    }

    private bool IsTable(ulong clusters) => clusters << _layout.ClusterBits <= Qcow2Header.MaxRefcountTableBytes;

    /// <summary>Clusters come in order.</summary>
    private void AddBlocks(List<ulong> indices, ulong cluster, ulong end)
    {
        ulong first = cluster >> _layout.BlockBits;
        first = indices.Count > 0 ? Math.Max(first, indices[^1] + 1) : first;
        for (ulong index = first; index <= (end - 1) >> _layout.BlockBits; index++)
        {
            indices.Add(index);
        }
    }
}
