// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>Second-level tables that have a place, but that no directory names yet; and the places of their copies, where there is a mirror.</summary>
internal sealed class NewTables(TwoLevelMap map, TwoLevelMap? mirror, TailSpace space)
{
    private readonly SortedDictionary<ulong, NewTable> _tables = [];
    private readonly SectorWriter _writer = new(map.File);
    private readonly SectorWriter _mirrorWriter = new(map.File);

    // Each table before this one has a place: it never loses that.
    private ulong _firstMissing;

    /// <summary>Bytes that a table is written with: whole sectors.</summary>
    public long TableSpace { get; } = (map.TableBytes + 511) / 512 * 512L;

    /// <summary>All that there are.</summary>
    public IEnumerable<NewTable> All => _tables.Values;

    /// <summary>Whether there is neither a table of this number nor a place for one.</summary>
    public bool Lacks(ulong number) => map.TableAt(number) == 0 && !_tables.ContainsKey(number);

    /// <summary>Tables that are lacking, counted up to a limit.</summary>
    public ulong CountMissing(ulong limit)
    {
        ulong end = ((map.Geometry.Chunks - 1) / map.Geometry.TableEntries) + 1;
        while (_firstMissing < end && !Lacks(_firstMissing))
        {
            _firstMissing++;
        }
        ulong missing = 0;
        for (ulong number = _firstMissing; number < end && missing < limit; number++)
        {
            missing += Lacks(number) ? 1UL : 0;
        }
        return missing;
    }

    /// <summary>Takes a place for some table.</summary>
    /// <returns>False where there is no room.</returns>
    public bool TryTake(out NewTable table)
    {
        long mirrorAt = 0;
        bool room = space.TryTakeWhole(TableSpace, out long at);
        if (room && mirror is not null && !space.TryTakeWhole(TableSpace, out mirrorAt))
        {
            space.ReturnWhole(at, TableSpace);
            room = false;
        }
        table = new NewTable(at, mirrorAt);
        return room;
    }

    /// <summary>A place that was not used comes back.</summary>
    public void Return(NewTable table)
    {
        space.ReturnWhole(table.At, TableSpace);
        if (table.MirrorAt != 0)
        {
            space.ReturnWhole(table.MirrorAt, TableSpace);
        }
    }

    /// <summary>Gives a table that is lacking its place.</summary>
    public void Give(ulong number, NewTable table) => _tables.Add(number, table);

    /// <summary>Takes a place for a table that is lacking.</summary>
    /// <returns>False where there is no room.</returns>
    public bool TryAdd(ulong number)
    {
        bool room = TryTake(out NewTable table);
        if (room)
        {
            Give(number, table);
        }
        return room;
    }

    /// <summary>Bytes of the file that the table takes, and its copy; none where it is not new.</summary>
    public ByteRange RangeOf(ulong number) => _tables.TryGetValue(number, out NewTable? table) ? table.Range(TableSpace) : default;

    /// <summary>What the table will hold, to be changed.</summary>
    public Span<byte> ToFill(ulong number)
    {
        // A chunk that was adopted comes without a table.
        if (!_tables.ContainsKey(number) && !TryAdd(number))
        {
            throw NoRoom.For(map.File.Name, "another table");
        }
        return _tables[number].Bytes ??= new byte[TableSpace];
    }

    /// <summary>Writes those that hold something. Not flushed.</summary>
    /// <returns>Whether there were any.</returns>
    public bool Write()
    {
        bool any = false;
        foreach (NewTable table in _tables.Values)
        {
            if (table.Bytes is not null)
            {
                any = true;
                map.File.WriteAt(table.Bytes, table.At);
                mirror?.File.WriteAt(table.Bytes, table.MirrorAt);
            }
        }
        return any;
    }

    /// <summary>Makes the directory name those that were written. Not flushed.</summary>
    public void Publish()
    {
        List<ulong> published = [];
        foreach ((ulong number, NewTable table) in _tables)
        {
            if (table.Bytes is not null)
            {
                Publish(map, _writer, number, table.At);
                if (mirror is not null)
                {
                    Publish(mirror, _mirrorWriter, number, table.MirrorAt);
                }
                published.Add(number);
            }
        }
        published.ForEach(number => _tables.Remove(number));
        _writer.Done();
        _mirrorWriter.Done();
    }

    /// <summary>Gives back all places: nothing was written there.</summary>
    public void Clear()
    {
        foreach (NewTable table in _tables.Values)
        {
            Return(table);
        }
        _tables.Clear();
    }

    private void Publish(TwoLevelMap of, SectorWriter writer, ulong number, long at)
    {
        of.Codec.Store(writer.Field(of.DirectoryEntryAt(number), of.Codec.EntryBytes), of.Codec.DirectoryEntry(at));
        of.Metadata.TryAdd(at, of.TableBytes);
        of.DirectoryChanged();
        space.Keep(at, TableSpace);
    }
}
