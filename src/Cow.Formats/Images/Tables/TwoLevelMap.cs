// SPDX-License-Identifier: MIT
using System.Numerics;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>
/// The map of a format that has a directory of tables, and tables of entries with a place each: qcow's L1 and L2, VMDK's grain directory and
/// grain tables. Reads it, and trusts none of it.
/// </summary>
internal sealed class TwoLevelMap
{
    private const int BatchBytes = 512;
    private const int DirectoryBatchBytes = 64 * 1024;

    private readonly TableCodec _codec;
    private readonly TableGeometry _geometry;
    private readonly int _chunkShift;
    private readonly int _entryBytes;
    private ulong _lastTable = ulong.MaxValue;
    private long _lastAt;
    private long _length;

    /// <summary>Describes a map; reads nothing.</summary>
    /// <param name="file">Where tables and chunks are.</param>
    /// <param name="fileIndex">Its number among the files of the image.</param>
    /// <param name="codec">How entries are written.</param>
    /// <param name="geometry">Where the directory is. It lies inside the file.</param>
    /// <param name="metadata">Ranges that no chunk may lie in; the tables are added to it by <see cref="TableClaims"/>.</param>
    public TwoLevelMap(CachedFile file, int fileIndex, TableCodec codec, TableGeometry geometry, RangeSet metadata)
    {
        File = file;
        FileIndex = fileIndex;
        _codec = codec;
        _geometry = geometry;
        _chunkShift = BitOperations.TrailingZeroCount(geometry.ChunkBytes);
        _entryBytes = codec.EntryBytes;
        _length = file.Length;
        Metadata = metadata;
    }

    /// <summary>Where tables and chunks are.</summary>
    public CachedFile File { get; }

    /// <summary>Its number among the files of the image.</summary>
    public int FileIndex { get; }

    /// <summary>How entries are written.</summary>
    public TableCodec Codec => _codec;

    /// <summary>Where the directory is, and what it covers.</summary>
    public TableGeometry Geometry => _geometry;

    /// <summary>Ranges of the file that no chunk may lie in.</summary>
    public RangeSet Metadata { get; }

    /// <summary>Bytes of a second-level table.</summary>
    public int TableBytes => (int)_geometry.TableEntries * _entryBytes;

    /// <summary>What the map holds from an offset on, up to the end of one table, or of those behind it that hold nothing.</summary>
    /// <param name="offset">Byte offset on the part of the disk that the map covers.</param>
    /// <param name="length">Bytes of interest, inside that part.</param>
    /// <exception cref="ImageFormatException">The entry names no place that it may.</exception>
    public ImageExtent Lookup(ulong offset, ulong length)
    {
        ulong chunk = offset >> _chunkShift;
        ulong within = offset & (_geometry.ChunkBytes - 1);
        ulong table = chunk / _geometry.TableEntries;
        uint first = (uint)(chunk - (table * _geometry.TableEntries));
        ulong most = length;
        length = Math.Min(length, ((ulong)(_geometry.TableEntries - first) << _chunkShift) - within);
        long at = TableAt(table);
        if (at == 0)
        {
            return Below(table, length, most);
        }

        ulong rest = length;
        TableEntry head = Entry(at, first);
        ulong covered = _geometry.ChunkBytes - within;
        if (covered < length && head.Kind != TableEntryKind.Packed)
        {
            uint last = first + (uint)((length + within - 1) >> _chunkShift);
            covered += (ulong)Following(at, first + 1, last, head) << _chunkShift;
        }
        length = Math.Min(length, covered);
        return head.Kind switch
        {
            TableEntryKind.Data => new ImageExtent(length, ImageExtentKind.Data, FileIndex, head.Offset + (long)within),
            TableEntryKind.Packed => new ImageExtent(length, ImageExtentKind.Packed),
            TableEntryKind.Zero => new ImageExtent(length, ImageExtentKind.Zero),
            _ => length < rest ? new ImageExtent(length, ImageExtentKind.Below) : Below(table, length, most),
        };
    }

    /// <summary>The entry of a chunk.</summary>
    /// <param name="chunk">A chunk of the map.</param>
    /// <param name="entryAt">Byte offset of the entry; 0 where there is no table.</param>
    /// <exception cref="ImageFormatException">The entry names no place that it may.</exception>
    public TableEntry EntryOf(ulong chunk, out long entryAt)
    {
        long at = TableAt(chunk / _geometry.TableEntries);
        uint slot = (uint)(chunk % _geometry.TableEntries);
        entryAt = at == 0 ? 0 : at + (slot * _entryBytes);
        return at == 0 ? default : Entry(at, slot);
    }

    /// <summary>Byte offset of a table; 0 where there is none.</summary>
    /// <exception cref="ImageFormatException">It is not inside the file.</exception>
    public long TableAt(ulong table)
    {
        if (table == _lastTable)
        {
            return _lastAt;
        }
        Span<byte> raw = stackalloc byte[sizeof(ulong)];
        long entryAt = DirectoryEntryAt(table);
        File.ReadAt(raw[.._entryBytes], entryAt);
        ulong entry = _codec.LoadDirectory(raw);
        long at = entry == 0 ? 0 : _codec.TableOffset(entry);
        if (at != 0 && (at < 0 || !Reaches(at, TableBytes)))
        {
            throw Expect.Error(File, entryAt, "a table inside the file", entry);
        }
        (_lastTable, _lastAt) = (table, at);
        return at;
    }

    /// <summary>Byte offset of an entry of the directory.</summary>
    public long DirectoryEntryAt(ulong table) => _geometry.DirectoryAt + ((long)table * _entryBytes);

    /// <summary>Forgets what it remembers of the directory: it was written.</summary>
    public void DirectoryChanged() => _lastTable = ulong.MaxValue;

    /// <summary>Goes through the entries of the directory that are not 0.</summary>
    /// <param name="visit">Gets the byte offset of an entry, and the entry.</param>
    public void ForEachDirectoryEntry(Action<long, ulong> visit)
    {
        byte[] batch = new byte[(int)Math.Min(DirectoryBatchBytes, _geometry.Tables * (ulong)_entryBytes)];
        ulong perBatch = (ulong)(batch.Length / _entryBytes);
        for (ulong table = BehindHole(0); table < _geometry.Tables; table = BehindHole(table + perBatch))
        {
            Span<byte> entries = batch.AsSpan(0, (int)Math.Min(perBatch, _geometry.Tables - table) * _entryBytes);
            File.Uncached.ReadAt(entries, DirectoryEntryAt(table));
            for (int i = 0; i < entries.Length; i += _entryBytes)
            {
                ulong entry = _codec.LoadDirectory(entries[i..]);
                if (entry != 0)
                {
                    visit(DirectoryEntryAt(table) + i, entry);
                }
            }
        }
    }

    /// <summary>Finds all tables.</summary>
    /// <param name="visit">Gets the number of each table that there is, and its byte offset.</param>
    public void ForEachPlace(Action<ulong, long> visit) => ForEachDirectoryEntry((entryAt, _) =>
    {
        ulong table = (ulong)((entryAt - _geometry.DirectoryAt) / _entryBytes);
        visit(table, TableAt(table));
    });

    /// <summary>Goes through all tables.</summary>
    /// <param name="visit">Gets the number of each table that there is, its byte offset, and its bytes; none where it is a hole of the file.</param>
    public void ForEachTable(Action<ulong, long, byte[]> visit)
    {
        byte[] bytes = new byte[TableBytes];
        ForEachPlace((table, at) =>
        {
            bool empty = IsHole(at);
            if (!empty)
            {
                File.Uncached.ReadAt(bytes, at);
            }
            visit(table, at, empty ? [] : bytes);
        });
    }

    /// <summary>Whether all of a table is a hole of the file, so that it need not be read: nothing but zeros, which are no places.</summary>
    public bool IsHole(long table) => File.IsHole(table, TableBytes);

    /// <summary>What is wrong with an entry: what was expected; null for nothing.</summary>
    public string? Fault(TableEntry entry)
    {
        switch (entry.Kind)
        {
            case TableEntryKind.Below or TableEntryKind.Zero:
                return null;
            case TableEntryKind.Bad:
                return _codec.Expected;
            default:
                bool inside = entry.Kind == TableEntryKind.Packed ? Reaches(entry.Offset, entry.Length) : ReachesUnit(entry.Offset);
                return !inside ? "a place inside the file"
                    : Metadata.Overlaps(entry.Offset, entry.Length) ? "a place outside of header and tables"
                    : null;
        }
    }

    /// <summary>Whether a range ends inside the file. Asks for the length, a system call, only where it reaches beyond the one known.</summary>
    public bool Reaches(long offset, long length)
    {
        if (offset > _length - length)
        {
            _length = File.Length;
        }
        return offset <= _length - length;
    }

    /// <summary>Nothing to the end of a table, and of those behind it that hold nothing either. Those whose entries lie in one hole count as one.</summary>
    private ImageExtent Below(ulong table, ulong length, ulong most)
    {
        ulong tableBytes = (ulong)_geometry.TableEntries << _chunkShift;
        ulong first = table + 1;
        ulong end = first + ((most - length + tableBytes - 1) / tableBytes);
        ulong next = first;
        for (int more = 0; more < IDiskImage.MostEmptyTables && next < end; more++)
        {
            if (!HoldsNothing(next))
            {
                break;
            }
            next = Math.Max(Math.Min(BehindHole(next), end), next + 1);
        }
        return new ImageExtent(Math.Min(length + ((next - first) * tableBytes), most), ImageExtentKind.Below);
    }

    private bool HoldsNothing(ulong table) => TableAt(table) is long at && (at == 0 || IsHole(at));

    /// <summary>The first table from one on whose entry is not all in a hole of the file: there is none before it.</summary>
    private ulong BehindHole(ulong table)
    {
        if (table >= _geometry.Tables)
        {
            return table;
        }
        long data = File.NextData(DirectoryEntryAt(table)) - _geometry.DirectoryAt;
        return Math.Min(_geometry.Tables, (ulong)(data / _entryBytes));
    }

    private TableEntry Entry(long at, uint slot)
    {
        Span<byte> raw = stackalloc byte[sizeof(ulong)];
        long entryAt = at + (slot * _entryBytes);
        File.ReadAt(raw[.._entryBytes], entryAt);
        TableEntry entry = _codec.Decode(_codec.Load(raw));
        if (Fault(entry) is string expected)
        {
            throw Expect.Error(File, entryAt, expected, _codec.Load(raw));
        }
        return entry;
    }

    /// <summary>How many entries continue <paramref name="head"/>.</summary>
    private uint Following(long at, uint next, uint last, TableEntry head)
    {
        Span<byte> batch = stackalloc byte[BatchBytes];
        uint found = 0;
        while (next + found <= last)
        {
            int count = (int)Math.Min(last - next - found + 1, (uint)(BatchBytes / _entryBytes));
            File.ReadAt(batch[..(count * _entryBytes)], at + ((next + found) * _entryBytes));
            for (int i = 0; i < count; i++)
            {
                TableEntry entry = _codec.Decode(_codec.Load(batch[(i * _entryBytes)..]));
                bool continues = entry.Kind == head.Kind
                    && (entry.Kind != TableEntryKind.Data || entry.Offset - head.Offset == (long)(found + 1) << _chunkShift)
                    && Fault(entry) is null;
                if (!continues)
                {
                    return found;
                }
                found++;
            }
        }
        return found;
    }

    /// <summary>Whether a chunk ends inside the file. The last one may be cut, but not reach beyond the unit in which the file ends: new chunks are
    /// put there.</summary>
    private bool ReachesUnit(long offset)
    {
        if (Reaches(offset, _geometry.ChunkBytes))
        {
            return true;
        }
        // Reaches has asked for the length.
        long end = (_length + _geometry.ChunkBytes - 1) & -(long)_geometry.ChunkBytes;
        return offset <= end - _geometry.ChunkBytes;
    }
}
