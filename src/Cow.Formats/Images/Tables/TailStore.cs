// SPDX-License-Identifier: MIT

namespace Cow.Formats.Images.Tables;

/// <summary>
/// Writes a <see cref="TwoLevelMap"/>: places chunks in <see cref="TailSpace"/>, and publishes them in an order in which nothing durable ever names
/// what is not.
/// </summary>
/// <remarks>
/// <para>A commit goes in steps: <see cref="Prepare"/> for every run, <see cref="WriteNewTables"/>, <see cref="Publish"/> for every run,
/// <see cref="PublishNewTables"/>. New tables are durable before the directory names them; the sectors that name data or a table may reach the disk
/// in any order.</para>
/// <para>A mirror, where the format has one, is written after the primary table of each run, and never read here.</para>
/// <para>No record on the disk says what is free. So what came back unused is taken again first, and <see cref="Close"/> moves what lies last into
/// the holes that are left (<see cref="HoleFiller"/>): then the file can end there.</para>
/// </remarks>
internal sealed class TailStore
{
    private readonly TwoLevelMap _map;
    private readonly TwoLevelMap? _mirror;
    private readonly TailSpace _space;
    private readonly Func<long, bool>? _beforePublish;
    private readonly Action? _beforeMoving;
    private readonly SectorWriter _writer;
    private readonly SectorWriter _mirrorWriter;
    private readonly RunMap _reserved = new();
    private readonly NewTables _newTables;
    private readonly uint _entries;
    private readonly int _entryBytes;
    private readonly long _chunkBytes;
    private readonly ulong _step;

    // Units that could not be written, to themselves.
    private readonly RunMap _lost = new();
    private bool _surveyed;

    /// <summary>Makes a map writable.</summary>
    /// <param name="map">The map; its tables are claimed.</param>
    /// <param name="mirror">A second directory with tables of its own, kept equal; or null.</param>
    /// <param name="space">Where places come from, in units of a chunk.</param>
    /// <param name="beforePublish">Told how far the file is used before anything there is named; says whether it wrote something, which is made
    /// durable first.</param>
    /// <param name="beforeMoving">Called before <see cref="Close"/> moves something into a hole.</param>
    public TailStore(TwoLevelMap map, TwoLevelMap? mirror, TailSpace space, Func<long, bool>? beforePublish = null, Action? beforeMoving = null)
    {
        _map = map;
        _mirror = mirror;
        _space = space;
        _beforePublish = beforePublish;
        _beforeMoving = beforeMoving;
        _entries = map.Geometry.TableEntries;
        _entryBytes = map.Codec.EntryBytes;
        _chunkBytes = map.Geometry.ChunkBytes;
        _step = map.Codec.Encode(_chunkBytes);
        _writer = new SectorWriter(map.File);
        _mirrorWriter = new SectorWriter(map.File);
        _newTables = new NewTables(map, mirror, space);
        Pool = new TailPool(this, _newTables, map, space);
    }

    /// <summary>Places for chunks that are not known yet.</summary>
    public TailPool Pool { get; }

    /// <summary>Whether a table fits where a chunk does: then every hole can be filled with whatever lies behind it.</summary>
    public bool FillsHoles => _newTables.TableSpace <= _chunkBytes;

    /// <summary>Chunks placed since it was opened.</summary>
    public ulong Placed { get; private set; }

    /// <summary>Whether something was written that is not flushed.</summary>
    public bool Dirty { get; private set; }

    /// <summary>Bytes of the file that are used or reserved.</summary>
    public long UsedBytes => _space.End;

    /// <summary>See <see cref="IDiskImage.Reserve"/>; never beyond one table.</summary>
    public PlacedChunks Reserve(ulong chunk, ulong count, out ByteRange metadata)
    {
        ulong table = chunk / _entries;
        count = Math.Min(count, ((table + 1) * _entries) - chunk);
        bool any = _reserved.TryAtOrAfter(chunk, out MapRun run);
        if (any && run.Key <= chunk)
        {
            metadata = _newTables.RangeOf(table);
            return new PlacedChunks(chunk, Math.Min(count, run.End - chunk), (long)run.ValueOf(chunk) * _chunkBytes);
        }
        count = any ? Math.Min(count, run.Key - chunk) : count;
        metadata = default;
        if (_newTables.Lacks(table) && !_newTables.TryAdd(table))
        {
            return new PlacedChunks(chunk, 0, 0);
        }
        ulong unit = _space.Take(ref count);
        if (count > 0)
        {
            _reserved.Add(chunk, unit, count);
            Placed += count;
            metadata = _newTables.RangeOf(table);
        }
        return new PlacedChunks(chunk, count, (long)unit * _chunkBytes);
    }

    /// <summary>See <see cref="IDiskImage.Adopt"/>.</summary>
    public void Adopt(PlacedChunks run)
    {
        for (ulong i = 0; i < run.Count; i++)
        {
            ulong chunk = run.Chunk + i;
            long offset = run.Offset + ((long)i * _chunkBytes);
            TableEntry now = _map.EntryOf(chunk, out long entryAt);
            if (now.Kind != TableEntryKind.Data)
            {
                AdoptOne(chunk, offset);
            }
            else if (now.Offset != offset)
            {
                throw Expect.Error(_map.File, entryAt, $"chunk {chunk} at byte {offset}, where it was placed", (ulong)now.Offset);
            }
        }
    }

    /// <summary>See <see cref="IDiskImage.Abandon"/>.</summary>
    public void Abandon(ulong chunk, ulong count)
    {
        ulong end = chunk + count;
        while (chunk < end && _reserved.TryAtOrAfter(chunk, out MapRun run) && run.Key < end)
        {
            chunk = Math.Max(run.Key, chunk);
            ulong unit = run.ValueOf(chunk);
            ulong part = Math.Min(run.End, end) - chunk;
            _lost.Add(unit, unit, part);
            Placed -= Forget(chunk, part);
            chunk += part;
        }
    }

    /// <summary>Finds what nobody has, before anything new is taken: a process that was killed left it behind. Once is enough.</summary>
    public void Survey()
    {
        if (!_surveyed)
        {
            _surveyed = true;
            _space.FreeAllBut(TakenPlaces());
        }
    }

    /// <summary>Adds what nothing names, and is held: given to somebody, or lost for good.</summary>
    public void AddHeld(RangeSet places)
    {
        foreach (RunMap units in (RunMap[])[_reserved, _lost, Pool.Places])
        {
            for (ulong key = 0; units.TryAtOrAfter(key, out MapRun run); key = run.End)
            {
                places.TryAdd((long)run.Value * _chunkBytes, run.Count * _chunkBytes);
            }
        }
        foreach (NewTable table in _newTables.All.Concat(Pool.Tables))
        {
            places.TryAdd(table.At, _newTables.TableSpace);
            places.TryAdd(table.MirrorAt, table.MirrorAt == 0 ? 0 : _newTables.TableSpace);
        }
    }

    /// <summary>Adds what nobody has, and Close will give back.</summary>
    public void AddFree(RangeSet places) => _space.AddFree(places);

    /// <summary>Whether this is the chunk's place, given out or committed.</summary>
    public bool Has(ulong chunk, long offset) => TryKnown(chunk, out long known, out _) && known == offset;

    /// <summary>Gives a chunk a place out of the pool. One that it was given before and that was never used is free again.</summary>
    /// <exception cref="ImageFormatException">It has a committed one.</exception>
    public void Give(ulong chunk, ulong unit)
    {
        if (TryKnown(chunk, out long known, out bool committed))
        {
            if (committed)
            {
                throw new ImageFormatException(_map.File.Name, known, $"chunk {chunk} where the image has it", $"byte {(long)unit * _chunkBytes}");
            }
            Placed -= Forget(chunk, 1);
            _space.Return((ulong)(known / _chunkBytes), 1);
        }
        _reserved.Add(chunk, unit, 1);
        Placed++;
    }

    /// <summary>Puts the entries of chunks that have no table yet into a new one, in memory.</summary>
    public void Prepare(PlacedChunks run) => PrepareEntries(Entries(run));

    /// <summary>Writes the new tables, and makes them durable. Does nothing where there are none.</summary>
    public void WriteNewTables()
    {
        bool wrote = _beforePublish?.Invoke(_space.End) ?? false;
        wrote |= _newTables.Write();
        if (wrote)
        {
            _map.File.Flush();
        }
    }

    /// <summary>Writes entries into the tables that there are.</summary>
    public void Publish(PlacedChunks run)
    {
        PublishEntries(Entries(run));
        _space.Keep(run.Offset, (long)run.Count * _chunkBytes);
        Forget(run.Chunk, run.Count);
    }

    /// <summary>Makes the directory name the new tables, and writes what <see cref="Publish"/> left pending.</summary>
    public void PublishNewTables()
    {
        _newTables.Publish();
        _writer.Done();
        _mirrorWriter.Done();
    }

    /// <summary>Makes chunks without a place read as zeros.</summary>
    /// <param name="chunk">First chunk.</param>
    /// <param name="count">Chunks.</param>
    /// <param name="entry">The entry that says zeros; 0 where a chunk without entry reads as zeros.</param>
    /// <returns>False where one has a place: nobody would ever use that again, so zeros are better written there. Then nothing was done.</returns>
    public bool TryZero(ulong chunk, ulong count, ulong entry)
    {
        for (ulong i = chunk; i < chunk + count; i++)
        {
            if (_map.EntryOf(i, out _).Kind is not (TableEntryKind.Below or TableEntryKind.Zero))
            {
                return false;
            }
        }
        if (entry != 0)
        {
            EntryRun run = new(chunk, count, entry, 0);
            PrepareEntries(run);
            WriteNewTables();
            PublishEntries(run);
            PublishNewTables();
        }
        return true;
    }

    /// <summary>Makes what was published durable.</summary>
    public void Flush()
    {
        if (Dirty)
        {
            _map.File.Flush();
            Dirty = false;
        }
    }

    /// <summary>See <see cref="TailSpace.KeepOnly"/>.</summary>
    public void KeepOnly(long end) => _space.KeepOnly(end);

    /// <summary>Flushes, gives back what was reserved and not committed, and ends the file behind what is used.</summary>
    public void Close()
    {
        Flush();
        Pool.Clear();
        while (_reserved.TryAtOrAfter(0, out MapRun run))
        {
            Forget(run.Key, run.Count);
            _space.Return(run.Value, run.Count);
        }
        _newTables.Clear();
        new HoleFiller(_map, _mirror, _space, _beforeMoving).Run();
        _space.GiveBack();
    }

    private EntryRun Entries(PlacedChunks run) => new(run.Chunk, run.Count, _map.Codec.Encode(run.Offset), _step);

    private void PrepareEntries(EntryRun run)
    {
        for (ulong done = 0; done < run.Count;)
        {
            EntryRun part = run.InTable(done, _entries);
            done += part.Count;
            if (_map.TableAt(part.Chunk / _entries) == 0)
            {
                Span<byte> table = _newTables.ToFill(part.Chunk / _entries)[((int)(part.Chunk % _entries) * _entryBytes)..];
                for (ulong i = 0; i < part.Count; i++)
                {
                    _map.Codec.Store(table[((int)i * _entryBytes)..], part.Entry + (i * part.Step));
                }
            }
        }
    }

    private void PublishEntries(EntryRun run)
    {
        Dirty = true;
        for (ulong done = 0; done < run.Count;)
        {
            EntryRun part = run.InTable(done, _entries);
            done += part.Count;
            ulong table = part.Chunk / _entries;
            if (_map.TableAt(table) != 0)
            {
                Write(_writer, _map.TableAt(table), part);
                // A damaged image may lack the copy: it goes on without.
                if (_mirror?.TableAt(table) is long copy and not 0)
                {
                    Write(_mirrorWriter, copy, part);
                }
            }
        }
    }

    private void Write(SectorWriter writer, long tableAt, EntryRun part)
    {
        long at = tableAt + ((long)(part.Chunk % _entries) * _entryBytes);
        for (ulong i = 0; i < part.Count; i++)
        {
            _map.Codec.Store(writer.Field(at + ((long)i * _entryBytes), _entryBytes), part.Entry + (i * part.Step));
        }
    }

    /// <summary>The place that a chunk has.</summary>
    private bool TryKnown(ulong chunk, out long offset, out bool committed)
    {
        committed = false;
        if (_reserved.TryAt(chunk, out MapRun run))
        {
            offset = (long)run.ValueOf(chunk) * _chunkBytes;
            return true;
        }
        TableEntry entry = _map.EntryOf(chunk, out _);
        committed = entry.Kind == TableEntryKind.Data;
        offset = entry.Offset;
        return committed;
    }

    private void AdoptOne(ulong chunk, long offset)
    {
        if (_reserved.TryAt(chunk, out MapRun run) && (long)run.ValueOf(chunk) * _chunkBytes == offset)
        {
            return;
        }
        Survey();
        bool free = offset > 0 && offset % _chunkBytes == 0
            && !_reserved.TryAt(chunk, out _)
            && _space.TryTakeAt((ulong)(offset / _chunkBytes));
        if (!free)
        {
            throw new ImageFormatException(_map.File.Name, offset, $"a free place, for chunk {chunk}", "one that is in use, or none at all");
        }
        _reserved.Add(chunk, (ulong)(offset / _chunkBytes), 1);
        Placed++;
    }

    /// <summary>All that is used or held.</summary>
    private RangeSet TakenPlaces()
    {
        RangeSet places = new(512);
        long hole = 0;
        long length = 0;
        for (long at = 0; at < _map.Metadata.End; at = hole + length)
        {
            // What is between two holes is metadata.
            hole = _map.Metadata.Hole(at, _map.Metadata.End, out length);
            places.TryAdd(at, hole - at);
        }
        _map.ForEachTable((_, _, bytes) => AddPlaces(bytes, places));
        AddHeld(places);
        return places;
    }

    private void AddPlaces(byte[] table, RangeSet places)
    {
        for (int at = 0; at < table.Length; at += _entryBytes)
        {
            TableEntry entry = _map.Codec.Decode(_map.Codec.Load(table.AsSpan(at)));
            if (_map.Fault(entry) is null)
            {
                // Packed ones may share a sector.
                places.Include(entry.Offset, entry.Length);
            }
        }
    }

    /// <summary>Drops reservations.</summary>
    /// <returns>How many there were.</returns>
    private ulong Forget(ulong chunk, ulong count)
    {
        ulong end = chunk + count;
        ulong dropped = 0;
        while (chunk < end && _reserved.TryAtOrAfter(chunk, out MapRun run) && run.Key < end)
        {
            ulong first = Math.Max(run.Key, chunk);
            ulong part = Math.Min(run.End, end) - first;
            _reserved.Remove(first, part);
            dropped += part;
            chunk = first + part;
        }
        return dropped;
    }
}
