// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>A part of the file that is not a block's.</summary>
/// <param name="Start">First byte.</param>
/// <param name="End">First byte behind.</param>
/// <param name="What">What is there.</param>
internal readonly record struct VhdxRange(long Start, long End, string What);

/// <summary>Where table (BAT) and metadata are: the region table, of which there are two copies.</summary>
internal sealed class VhdxRegions
{
    private const int EntriesAt = 16;
    private const int EntryBytes = 32;

    private readonly List<VhdxRange> _ranges = [];

    // The same: a table may have as many entries as there are blocks to be held against them.
    private readonly RangeSet _taken = VhdxFormat.NewSpace();

    /// <summary>The block allocation table.</summary>
    public VhdxRange Bat { get; private set; }

    /// <summary>The metadata.</summary>
    public VhdxRange Metadata { get; private set; }

    /// <summary>First byte behind all of it.</summary>
    public long End { get; private set; }

    /// <summary>Whether both copies are good and equal.</summary>
    public bool BothGood { get; private set; }

    /// <summary>Reads the first good copy.</summary>
    /// <exception cref="ImageFormatException">None is good, or regions lie outside of the file or over each other, or one is unknown and required.</exception>
    public static VhdxRegions Read(VhdxMedium medium, VhdxHeader header)
    {
        byte[]? first = ReadCopy(medium, 0);
        byte[]? second = ReadCopy(medium, 1);
        byte[] table = first ?? second
            ?? throw new ImageFormatException(medium.Name, VhdxFormat.RegionTablesAt[0], "a region table with its signature and checksum, here or at the second place", "none");
        VhdxRegions regions = new() { BothGood = first is not null && second is not null && first.AsSpan().SequenceEqual(second) };
        regions.Add(medium, new VhdxRange(0, VhdxFormat.Megabyte, "the headers"), 0);
        regions.Add(medium, new VhdxRange((long)header.LogOffset, (long)header.LogOffset + header.LogLength, "the log"), VhdxFormat.HeadersAt[0] + 68);
        regions.Parse(medium, table, VhdxFormat.RegionTablesAt[first is null ? 1 : 0]);
        return regions;
    }

    /// <summary>Makes a region table.</summary>
    public static byte[] Make(VhdxRange bat, VhdxRange metadata)
    {
        byte[] table = new byte[VhdxFormat.TableBytes];
        "regi"u8.CopyTo(table);
        WriteUInt32LittleEndian(table.AsSpan(8), 2);
        WriteEntry(table.AsSpan(EntriesAt), VhdxFormat.BatRegion, bat);
        WriteEntry(table.AsSpan(EntriesAt + EntryBytes), VhdxFormat.MetadataRegion, metadata);
        WriteUInt32LittleEndian(table.AsSpan(4), Crc32C.OfStructure(table));
        return table;
    }

    /// <summary>Adds to a set all that is not a block: headers, log, regions.</summary>
    public void AddTo(RangeSet space)
    {
        foreach (VhdxRange range in _ranges)
        {
            space.TryAdd(range.Start, range.End - range.Start);
        }
    }

    /// <summary>What lies between two byte offsets and is not a block, or null.</summary>
    public VhdxRange? Overlapped(long start, long end)
    {
        if (!_taken.Overlaps(start, end - start))
        {
            return null;
        }
        foreach (VhdxRange range in _ranges)
        {
            if (start < range.End && range.Start < end)
            {
                return range;
            }
        }
        return null;
    }

    private static void WriteEntry(Span<byte> entry, Guid id, VhdxRange range)
    {
        id.TryWriteBytes(entry);
        WriteUInt64LittleEndian(entry[16..], (ulong)range.Start);
        WriteUInt32LittleEndian(entry[24..], (uint)(range.End - range.Start));
        WriteUInt32LittleEndian(entry[28..], 1); // required
    }

    private static byte[]? ReadCopy(VhdxMedium medium, int copy)
    {
        byte[] table = new byte[VhdxFormat.TableBytes];
        medium.Read(table, VhdxFormat.RegionTablesAt[copy]);
        return table.AsSpan().StartsWith("regi"u8) && ReadUInt32LittleEndian(table.AsSpan(4)) == Crc32C.OfStructure(table) ? table : null;
    }

    private void Parse(VhdxMedium medium, byte[] table, long at)
    {
        uint count = ReadUInt32LittleEndian(table.AsSpan(8));
        if (count > VhdxFormat.MostTableEntries || ReadUInt32LittleEndian(table.AsSpan(12)) != 0)
        {
            throw new ImageFormatException(medium.Name, at + 8, $"at most {VhdxFormat.MostTableEntries} regions, and a reserved zero", $"{count}, and {ReadUInt32LittleEndian(table.AsSpan(12))}");
        }
        HashSet<Guid> ids = [];
        for (int i = 0; i < count; i++)
        {
            int entry = EntriesAt + (i * EntryBytes);
            AddEntry(medium, table.AsSpan(entry, EntryBytes), at + entry, ids);
        }
        if (Bat.End == 0 || Metadata.End == 0)
        {
            throw new ImageFormatException(medium.Name, at, "regions for the table and the metadata", Bat.End == 0 ? "none for the table" : "none for the metadata");
        }
    }

    private void AddEntry(VhdxMedium medium, ReadOnlySpan<byte> entry, long at, HashSet<Guid> ids)
    {
        Guid id = new(entry[..16]);
        ulong offset = ReadUInt64LittleEndian(entry[16..]);
        uint length = ReadUInt32LittleEndian(entry[24..]);
        uint flags = ReadUInt32LittleEndian(entry[28..]);
        bool aligned = offset % (ulong)VhdxFormat.Megabyte == 0 && length % VhdxFormat.Megabyte == 0 && length > 0;
        if (!aligned || offset > (ulong)medium.Length || length > (ulong)medium.Length - offset)
        {
            throw new ImageFormatException(medium.Name, at + 16, $"a region in whole megabytes, on one, inside the file of {medium.Length} bytes", $"{length} bytes at {offset}");
        }
        if (!ids.Add(id) || flags > 1)
        {
            throw new ImageFormatException(medium.Name, at, "each region once, its reserved bits zero", $"{id} with flags 0x{flags:x}");
        }
        VhdxRange range = new((long)offset, (long)offset + length, id == VhdxFormat.BatRegion ? "the table" : id == VhdxFormat.MetadataRegion ? "the metadata" : $"region {id}");
        Add(medium, range, at + 16);
        if (id == VhdxFormat.BatRegion)
        {
            Bat = range;
        }
        else if (id == VhdxFormat.MetadataRegion)
        {
            Metadata = range;
        }
        else if (flags == 1)
        {
            throw new ImageFormatException(medium.Name, at, "regions that are known where they are required", $"region {id}");
        }
    }

    private void Add(VhdxMedium medium, VhdxRange range, long at)
    {
        if (Overlapped(range.Start, range.End) is { } other)
        {
            throw new ImageFormatException(medium.Name, at, $"{range.What} beside {other.What}", $"bytes {range.Start} to {range.End} over {other.Start} to {other.End}");
        }
        _ranges.Add(range);
        _taken.TryAdd(range.Start, range.End - range.Start);
        End = Math.Max(End, range.End);
    }
}
