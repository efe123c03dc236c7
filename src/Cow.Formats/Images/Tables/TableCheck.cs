// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Findings of a check, bounded in number, and who has which byte of a file.</summary>
internal sealed class TableCheck
{
    private const int MostSentences = 1000;

    private byte[] _buffer = [];

    /// <summary>Chunks with a place that were met.</summary>
    public ulong Chunks { get; private set; }

    /// <summary>Damage.</summary>
    public Sentences Errors { get; } = new(MostSentences);

    /// <summary>Lost space.</summary>
    public Sentences Leaks { get; } = new(MostSentences);

    /// <summary>The findings.</summary>
    public CheckReport Report() => new(Errors.ToList(), Leaks.ToList(), Chunks);

    /// <summary>Judges every entry of every table.</summary>
    /// <param name="map">The map, with its tables claimed.</param>
    /// <param name="used">Gets the places of all chunks.</param>
    /// <param name="packed">What the format knows about compressed chunks; null where it has none.</param>
    /// <param name="mend">Gets the number and the bytes of each table, and changes those as a repair would; null where nothing does.</param>
    public void Entries(TwoLevelMap map, RangeSet used, IPackedChunks? packed = null, Action<ulong, byte[]>? mend = null)
    {
        int size = map.Codec.EntryBytes;
        map.ForEachTable((table, at, bytes) =>
        {
            mend?.Invoke(table, bytes);
            for (int i = 0; i < bytes.Length; i += size)
            {
                ulong raw = map.Codec.Load(bytes.AsSpan(i));
                ulong chunk = (table * map.Geometry.TableEntries) + (ulong)(i / size);
                if (raw != 0)
                {
                    Entry(map, used, packed, chunk, at + i, raw);
                }
            }
        });
    }

    /// <summary>Notes what nobody has of a file, where it could hold a chunk.</summary>
    /// <param name="name">The file's name.</param>
    /// <param name="map">The map of the file.</param>
    /// <param name="used">Places of its chunks.</param>
    /// <param name="start">Where to start.</param>
    /// <param name="end">Where to stop.</param>
    public void Holes(string name, TwoLevelMap map, RangeSet used, long start, long end)
    {
        for (long at = start; at < end;)
        {
            long hole = used.Hole(at, end, out long length);
            at = hole + Math.Max(length, 1);
            for (long from = hole; from < hole + length;)
            {
                long free = map.Metadata.Hole(from, hole + length, out long bytes);
                from = free + Math.Max(bytes, 1);
                Hole(name, free, bytes, map.Geometry.ChunkBytes);
            }
        }
    }

    private void Hole(string name, long free, long bytes, long unit)
    {
        long first = (free + unit - 1) / unit * unit;
        if (bytes > 0 && free + bytes - first >= unit)
        {
            Leaks.Add($"{name}: nobody refers to the {free + bytes - first} bytes at {first}");
        }
    }

    private void Entry(TwoLevelMap map, RangeSet used, IPackedChunks? packed, ulong chunk, long at, ulong raw)
    {
        TableEntry entry = map.Codec.Decode(raw);
        if (map.Fault(entry) is string expected)
        {
            Errors.Add($"{Where(map, chunk, at)}: expected {expected}, found {raw} (0x{raw:x})");
            return;
        }
        if (chunk >= map.Geometry.Chunks)
        {
            Errors.Add($"{Where(map, chunk, at)} lies behind the end of the disk, and has a place");
            return;
        }
        if (entry.Kind == TableEntryKind.Packed && packed is not null)
        {
            Packed(map, used, packed, chunk, at, entry);
        }
        else if (entry.Kind is TableEntryKind.Data or TableEntryKind.Packed)
        {
            Place(map, used, chunk, at, entry);
        }
    }

    /// <summary>Notes a place. False where another chunk has it.</summary>
    private bool Place(TwoLevelMap map, RangeSet used, ulong chunk, long at, TableEntry entry)
    {
        Chunks++;
        bool free = used.TryAdd(entry.Offset, entry.Length);
        if (!free)
        {
            Errors.Add($"{Where(map, chunk, at)}: its place at byte {entry.Offset} belongs to another chunk too");
        }
        return free;
    }

    /// <summary>Inflates a chunk. Not where another chunk has the place, nor after many errors: a hostile image could keep us busy for hours.</summary>
    private void Packed(TwoLevelMap map, RangeSet used, IPackedChunks packed, ulong chunk, long at, TableEntry entry)
    {
        if (Errors.IsFull)
        {
            Errors.Add("");
            return;
        }
        try
        {
            entry = packed.Measure(chunk, entry);
            if (Place(map, used, chunk, at, entry))
            {
                int length = PackedReader.LengthOf(map, chunk);
                _buffer = _buffer.Length >= length ? _buffer : new byte[length];
                packed.Inflate(chunk, entry, _buffer.AsSpan(0, length));
            }
        }
        catch (ImageFormatException e)
        {
            Errors.Add($"{Where(map, chunk, at)}: {e.Message}");
        }
    }

    private static string Where(TwoLevelMap map, ulong chunk, long at) => $"{map.File.Name}: at byte {at}: chunk {chunk}";
}
