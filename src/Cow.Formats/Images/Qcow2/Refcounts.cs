// SPDX-License-Identifier: MIT
using System.Numerics;
using System.Runtime.InteropServices;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>The refcounts of an image on the disk: a table of blocks, a block of one cluster, 2^order bits for each cluster of the file.</summary>
/// <remarks>Changes go to <see cref="MetadataFile"/>; when they are durable is the caller's business.</remarks>
internal sealed class Refcounts
{
    private readonly MetadataFile _file;
    private readonly Qcow2Layout _layout;
    private readonly int _order;

    // As in the file; in memory whole, 8 MiB at most.
    private ulong[] _blocks;

    // Which blocks are holes of the file, as far as somebody asked. Null again when a count was changed.
    private Hole[]? _holes;

    public Refcounts(MetadataFile file, Qcow2Layout layout, Qcow2Header header)
    {
        _file = file;
        _layout = layout;
        _order = layout.RefcountOrder;
        Offset = header.RefcountTableOffset;
        _blocks = file.ReadTable(Offset, (header.RefcountTableClusters << layout.ClusterBits) / 8UL);
    }

    /// <summary>Byte offset of the table.</summary>
    public ulong Offset { get; private set; }

    /// <summary>Blocks that the table can name.</summary>
    public int Capacity => _blocks.Length;

    /// <summary>Bytes of the table.</summary>
    public ulong Bytes => (ulong)_blocks.Length * sizeof(ulong);

    /// <summary>Byte offset of a block, 0 where there is none. Every cluster it would count is free.</summary>
    /// <exception cref="ImageFormatException">It is nowhere where a block can be.</exception>
    public ulong Block(ulong index) => TryBlock(index, out ulong block)
        ? block
        : throw Misplaced(index, block);

    /// <summary>What the table says of a block that cannot be there.</summary>
    public ImageFormatException Misplaced(ulong index, ulong block) =>
        new(_file.Name, (long)(Offset + (index * 8)), "a refcount block that begins a cluster of the file", $"{block:x}");

    /// <summary>As <see cref="Block"/>, where many may be nowhere.</summary>
    /// <param name="index">Its number.</param>
    /// <param name="block">What the table says.</param>
    /// <returns>False where a block cannot be there.</returns>
    public bool TryBlock(ulong index, out ulong block)
    {
        block = index < (ulong)_blocks.Length ? _blocks[index] : 0;
        return block == 0 || (block % _layout.ClusterBytes == 0 && _file.Reaches(block));
    }

    /// <summary>The first number of a block, from one on, that the table names one for; tables are large and mostly empty.</summary>
    /// <returns>False where there is none.</returns>
    public bool TryNext(ref ulong index)
    {
        int next = index < (ulong)_blocks.Length ? _blocks.AsSpan((int)index).IndexOfAnyExcept(0UL) : -1;
        index += (ulong)Math.Max(next, 0);
        return next >= 0;
    }

    /// <summary>Whether a block is not there, or nothing but a hole.</summary>
    public bool IsEmpty(ulong index)
    {
        if (index >= (ulong)_blocks.Length)
        {
            return true;
        }
        _holes ??= new Hole[_blocks.Length];
        ref Hole known = ref _holes[index];
        if (known == Hole.Unknown)
        {
            ulong block = Block(index);
            known = block == 0 || _file.IsHole(block, _layout.ClusterBytes) ? Hole.Yes : Hole.No;
        }
        return known == Hole.Yes;
    }

    /// <summary>The count of a cluster.</summary>
    public ulong Get(ulong cluster)
    {
        ulong block = Block(cluster >> _layout.BlockBits);
        if (block == 0)
        {
            return 0;
        }
        ulong bit = Within(cluster) << _order;
        Span<byte> word = stackalloc byte[8];
        int bytes = Math.Max(1, 1 << _order >> 3);
        _file.Read(word[..bytes], block + (bit >> 3));
        return Value(word[..bytes], (ulong)((int)bit & 7) >> _order, _order);
    }

    /// <summary>As <see cref="Get"/>, for whoever asks for those of all clusters: nothing is read where the file has a hole.</summary>
    public ulong GetSparsely(ulong cluster) => IsEmpty(cluster >> _layout.BlockBits) ? 0 : Get(cluster);

    /// <summary>The cluster behind the last one that is counted. Somebody may cut the file there, and holes are believed: not before all is durable, for
    /// a file system may call a hole what is not.</summary>
    /// <param name="end">Counts from here on do not matter.</param>
    public ulong EndBefore(ulong end)
    {
        end = Math.Min(end, (ulong)_blocks.Length << _layout.BlockBits);
        while (end > 0)
        {
            ulong index = (end - 1) >> _layout.BlockBits;
            ulong found = IsEmpty(index) ? 0 : EndWithin(index, end - (index << _layout.BlockBits));
            if (found > 0)
            {
                return (index << _layout.BlockBits) + found;
            }
            end = index << _layout.BlockBits;
        }
        return 0;
    }

    /// <summary>Sets the counts of clusters whose block exists.</summary>
    public void Set(ulong cluster, ulong count, ulong value)
    {
        _holes = null;
        for (ulong i = cluster; i < cluster + count; i++)
        {
            ulong bit = Within(i) << _order;
            ulong block = Block(i >> _layout.BlockBits);
            if (block == 0)
            {
                throw new ImageFormatException(_file.Name, (long)Offset, $"a refcount block for cluster {i}, which is in use", "none");
            }
            ulong at = block + (bit >> 3);
            Span<byte> sector = _file.Change(at);
            SetValue(sector, ((at % MetadataFile.SectorBytes * 8) + (bit & 7)) >> _order, _order, value);
        }
    }

    /// <summary>Reads the counts of clusters of one block, as many as fit.</summary>
    /// <param name="cluster">The first; on a byte of its block.</param>
    /// <param name="bytes">The packed counts, to be taken apart with <see cref="Value"/>.</param>
    /// <returns>Clusters read.</returns>
    public ulong Read(ulong cluster, Span<byte> bytes)
    {
        ulong block = Block(cluster >> _layout.BlockBits);
        ulong first = (Within(cluster) << _order) >> 3;
        int length = (int)Math.Min((ulong)bytes.Length, _layout.ClusterBytes - first);
        _file.Read(bytes[..length], block + first);
        return ((ulong)length << 3) >> _order;
    }

    /// <summary>Writes counts over those of a block.</summary>
    /// <param name="cluster">The first; at the start of a sector.</param>
    /// <param name="sectors">The packed counts.</param>
    public void Write(ulong cluster, ReadOnlySpan<byte> sectors)
    {
        _holes = null;
        _file.Write(sectors, Block(cluster >> _layout.BlockBits) + ((Within(cluster) << _order) >> 3));
    }

    /// <summary>The first cluster from one on whose count is in no hole of the file, to a sector of counts; at most the first one of the next block.</summary>
    /// <param name="cluster">Its block is there; at the start of a sector.</param>
    public ulong PastHoles(ulong cluster)
    {
        ulong block = Block(cluster >> _layout.BlockBits);
        ulong first = (Within(cluster) << _order) >> 3;
        ulong next = _file.NextData(block + first);
        // Whatever the file does not reach is zero.
        ulong data = next < _file.Length ? Math.Min(next - block, _layout.ClusterBytes) & ~(MetadataFile.SectorBytes - 1UL) : _layout.ClusterBytes;
        return cluster + ((Math.Max(data, first) - first) << 3 >> _order);
    }

    /// <summary>Names a block that has been written. Not with a table that is being replaced.</summary>
    public void Link(ulong index, ulong block)
    {
        _file.Patch64(Offset + (index * 8), block);
        _blocks[index] = block;
        _holes = null;
    }

    /// <summary>The present table with room for more blocks, to be written elsewhere.</summary>
    public ulong[] Grown(ulong entries)
    {
        ulong[] table = new ulong[entries];
        _blocks.CopyTo(table, 0);
        return table;
    }

    /// <summary>The header names another table now.</summary>
    public void Replace(ulong offset, ulong[] table) => (Offset, _blocks, _holes) = (offset, table, null);

    /// <summary>One of a row of counts.</summary>
    /// <param name="row">As on the disk.</param>
    /// <param name="index">Which.</param>
    /// <param name="order">Counts have 2^order bits; those narrower than a byte fill it from its least significant bit on.</param>
    public static ulong Value(ReadOnlySpan<byte> row, ulong index, int order)
    {
        int at = (int)((index << order) >> 3);
        return order switch
        {
            < 3 => ((ulong)row[at] >> (int)((index << order) & 7)) & ((1UL << (1 << order)) - 1),
            3 => row[at],
            4 => ReadUInt16BigEndian(row[at..]),
            5 => ReadUInt32BigEndian(row[at..]),
            _ => ReadUInt64BigEndian(row[at..]),
        };
    }

    /// <summary>How many of a row of counts are 0.</summary>
    public static ulong Zeros(ReadOnlySpan<byte> row, int order)
    {
        switch (order)
        {
            case < 3:
                return ((ulong)row.Length << 3 >> order) - NarrowCounted(row, order);
            case 3:
                return (ulong)row.Count((byte)0);
            case 4:
                return (ulong)MemoryMarshal.Cast<byte, ushort>(row).Count((ushort)0);
            case 5:
                return (ulong)MemoryMarshal.Cast<byte, uint>(row).Count(0U);
            default:
                return (ulong)MemoryMarshal.Cast<byte, ulong>(row).Count(0UL);
        }
    }

    /// <summary>How many are not, of counts narrower than a byte: the bits of each are gathered in its lowest one.</summary>
    private static ulong NarrowCounted(ReadOnlySpan<byte> row, int order)
    {
        ulong counted = 0;
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(row))
        {
            ulong any = order > 1 ? word | (word >> 2) : word;
            any = order > 0 ? any | (any >> 1) : any;
            ulong lowest = order switch { 0 => ulong.MaxValue, 1 => 0x5555_5555_5555_5555, _ => 0x1111_1111_1111_1111 };
            counted += (ulong)BitOperations.PopCount(any & lowest);
        }
        return counted;
    }

    /// <summary>Sets one of a row of counts; never to another one than was meant.</summary>
    /// <exception cref="OverflowException">It does not fit.</exception>
    public static void SetValue(Span<byte> row, ulong index, int order, ulong value)
    {
        int at = (int)((index << order) >> 3);
        switch (order)
        {
            case < 3:
                int shift = (int)((index << order) & 7);
                int most = (1 << (1 << order)) - 1;
                int count = value <= (ulong)most ? (int)value : throw new OverflowException($"{value} in {1 << order} bits");
                row[at] = (byte)((row[at] & ~(most << shift)) | (count << shift));
                break;
            case 3:
                row[at] = (byte)value;
                break;
            case 4:
                WriteUInt16BigEndian(row[at..], (ushort)value);
                break;
            case 5:
                WriteUInt32BigEndian(row[at..], (uint)value);
                break;
            default:
                WriteUInt64BigEndian(row[at..], value);
                break;
        }
    }

    /// <summary>Of the first <paramref name="clusters"/> of a block that is there, the one behind the last that is counted.</summary>
    private ulong EndWithin(ulong index, ulong clusters)
    {
        Span<byte> row = stackalloc byte[MetadataFile.SectorBytes];
        ulong perRow = ((ulong)row.Length << 3) >> _order;
        ulong perPiece = ((ulong)TableScan.MostBytes << 3) >> _order;
        while (clusters > 0)
        {
            ulong first = (clusters - 1) / perRow * perRow;
            ulong piece = first & ~(perPiece - 1);
            if (PastHoles((index << _layout.BlockBits) + piece) >= (index << _layout.BlockBits) + first + perRow)
            {
                clusters = piece;
                continue;
            }
            _ = Read((index << _layout.BlockBits) + first, row);
            for (clusters = row.ContainsAnyExcept((byte)0) ? clusters : first; clusters > first; clusters--)
            {
                if (Value(row, clusters - 1 - first, _order) != 0)
                {
                    return clusters;
                }
            }
        }
        return 0;
    }

    private ulong Within(ulong cluster) => cluster & ((1UL << _layout.BlockBits) - 1);

    private enum Hole : byte
    {
        Unknown,
        No,
        Yes,
    }
}
