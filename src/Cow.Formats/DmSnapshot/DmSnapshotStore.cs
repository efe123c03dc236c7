// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using Cow.Formats.Io;

namespace Cow.Formats.DmSnapshot;

/// <summary>
/// dm-snapshot's persistent exception store: a list of (chunk of the disk, chunk of the store), in the order of commit.
/// </summary>
/// <remarks>The store records no allocation: a place is used when the list names it, so places that were given out and never committed
/// are free again after a reopen. The kernel's snapshot target reads what this writes and appends to it, and the reverse.</remarks>
internal sealed class DmSnapshotStore : IGrantingFormat
{
    /// <summary>Of <see cref="_listed"/>: they are sorted in some 15 ms, and take 2 MiB.</summary>
    private const int MostListed = 1 << 16;

    private readonly IImageFile _file;
    private readonly DmSnapshotGeometry _geometry;
    private readonly ExceptionLog _log;
    private readonly FreePlaces _free;
    private readonly ulong _diskChunks;
    private readonly bool _readOnly;

    // Chunk of the disk -> chunk of the store. _placed is in the list, _pending will be.
    private readonly RunMap _placed = new();
    private readonly RunMap _pending = new();

    // Chunks of the store (to themselves) that were reserved and not taken.
    private readonly RunMap _reserved = new();

    // Reserved places that were taken, the oldest first. Nearly all of them are committed in that order before anybody asks for one, and few are asked for
    // then, so they are sorted only when somebody asks, or when there are many. The first _listed runs are as _placed, the others as _pending.
    private readonly PlacedRuns _taken = new();
    private int _listed;
    private ulong _listedChunks;
    private ulong _takenChunks;
    private ulong _abandoned;
    private bool _failed;

    /// <summary>Entries that the list can have in a store of this size.</summary>
    private ulong _mostEntries;

    public DmSnapshotStore(IImageFile file, DmSnapshotGeometry geometry, OpenOptions options)
    {
        _file = file;
        _geometry = geometry;
        _log = new ExceptionLog(file, geometry);
        _free = new FreePlaces(geometry);
        _diskChunks = geometry.DiskChunks(options.VirtualSizeBytes);
        _readOnly = options.ReadOnly;

        Grow();
        _log.Load(Load);
        if (!_readOnly)
        {
            _log.ClearTail();
        }
        Info = new FormatInfo(DmSnapshotDriver.FormatName, null, geometry.ChunkSectors, 0);
    }

    public FormatInfo Info { get; }

    public Usage Usage
    {
        get
        {
            ulong pending = _pending.Total + _takenChunks;
            ulong chunks = _placed.Total + _listedChunks + pending;
            long metadata = (long)(2 + ((_log.Count + pending) / _geometry.EntriesPerArea)) * _geometry.ChunkBytes;
            long data = (long)(chunks + _abandoned) * _geometry.ChunkBytes;
            return new Usage(chunks, metadata + data, metadata, (long)_free.Capacity * _geometry.ChunkBytes);
        }
    }

    /// <summary>Entries that the list will have when all places that were given out are in it.</summary>
    private ulong Entries => _log.Count + _pending.Total + _takenChunks + _reserved.Total;

    /// <summary>Places that can be given out: those that the list can name.</summary>
    private ulong Room => _mostEntries - Entries;

    public Extent Lookup(ulong chunk, ulong limit)
    {
        limit = ClipToDisk(chunk, limit);
        SortListed();
        if (!_placed.TryAtOrAfter(chunk, out MapRun run))
        {
            return new Extent(new ChunkRun(chunk, limit), ExtentKind.Base, default);
        }
        return run.Key <= chunk
            ? new Extent(new ChunkRun(chunk, Math.Min(limit, run.End - chunk)), ExtentKind.Overlay, PlaceOf(run.ValueOf(chunk)))
            : new Extent(new ChunkRun(chunk, Math.Min(limit, run.Key - chunk)), ExtentKind.Base, default);
    }

    public Allocation Allocate(ChunkRun wanted)
    {
        RefuseIfNotWritable();
        Sort();
        ulong chunk = wanted.Chunk;
        ulong count = ClipToDisk(chunk, wanted.Count);
        if (_placed.TryAtOrAfter(chunk, out MapRun run) && !ClipTo(run, chunk, ref count))
        {
            return Answer(chunk, run.ValueOf(chunk), count, Fill.None, default);
        }
        if (_pending.TryAtOrAfter(chunk, out run) && !ClipTo(run, chunk, ref count))
        {
            return Answer(chunk, run.ValueOf(chunk), count, Fill.Copy, AreasToCome());
        }

        (ulong place, count) = _free.Take(Math.Min(count, Room));
        if (count > 0)
        {
            _pending.Add(chunk, place, count);
        }
        return Answer(chunk, place, count, Fill.Copy, AreasToCome());
    }

    public void Adopt(PlacedRun run)
    {
        RefuseIfNotWritable();
        if (run.Place.Device != 0 || run.Place.Sector % _geometry.ChunkSectors != 0 || run.Run.Count > _diskChunks || run.Run.Chunk > _diskChunks - run.Run.Count)
        {
            throw Conflict(run.Run.Chunk, run.Place, "a run of whole chunks inside disk and store");
        }
        Sort();
        ulong first = _geometry.ChunkOf(run.Place.Sector);
        for (ulong i = 0; i < run.Run.Count; i++)
        {
            AdoptChunk(run.Run.Chunk + i, first + i);
        }
    }

    public void Abandon(ChunkRun run)
    {
        Sort();
        while (_pending.TryTakeOut(ref run, out MapRun pending))
        {
            _abandoned += pending.Count;
        }
    }

    public PlaceGrant Reserve(ulong count)
    {
        RefuseIfNotWritable();
        (ulong place, count) = _free.Take(Math.Min(count, Room));
        if (count > 0)
        {
            _reserved.Add(place, place, count);
        }
        return new PlaceGrant(PlaceGrant.AnyChunk, count, PlaceOf(place), AreasToCome());
    }

    public void AdoptGrant(PlaceGrant grant)
    {
        RefuseIfNotWritable();
        ulong first = FirstOf(grant.Place);
        bool fits = grant.IsPool && grant.Count <= Room;
        for (ulong i = 0; i < grant.Count; i++)
        {
            if (!fits || !_free.TryTake(first + i))
            {
                throw new ImageFormatException(_file.Name, 0, "free places of the store", $"sector {grant.Place.Sector} of device {grant.Place.Device}, granted to any of {grant.Count} chunks");
            }
        }
        _reserved.Add(first, first, grant.Count);
    }

    public ulong Take(ReadOnlySpan<PlacedRun> runs)
    {
        RefuseIfNotWritable();
        ulong taken = 0;
        while (!runs.IsEmpty)
        {
            int adjoining = Adjoining(runs, out ulong chunks);
            if (adjoining > 0 && _reserved.TryRemove(FirstOf(runs[0].Place), chunks))
            {
                _taken.Add(runs[..adjoining]);
                _takenChunks += chunks;
                taken += chunks;
            }
            else
            {
                adjoining = 1;
                taken += TakeChunks(runs[0]);
            }
            runs = runs[adjoining..];
        }
        return taken;
    }

    public void Release(PlaceGrant grant)
    {
        ulong first = FirstOf(grant.Place);
        _reserved.Remove(first, grant.Count);
        _free.Give(first, grant.Count);
    }

    /// <summary>What is full is never written again, and each answer tells of the areas to come.</summary>
    public IEnumerable<ByteRange> MetadataIn(IImageFile file) => ReferenceEquals(file, _file) ? [_log.Area] : [];

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        RefuseIfNotWritable();
        // Until all is written the store counts as damaged: an exception leaves it so.
        _failed = true;
        foreach (ref readonly PlacedRun run in runs[CommitTaken(runs)..])
        {
            CommitRun(run);
        }
        _log.WriteOut();
        _failed = false;
    }

    public void Flush()
    {
        RefuseIfNotWritable();
        _failed = true;
        _file.Flush();
        _failed = false;
    }

    public void Grow()
    {
        _free.GrowTo(_geometry.Chunks(_file.Length));
        _mostEntries = _geometry.MaxEntries(_free.Capacity);
    }

    public CheckReport Check() => DmSnapshotCheck.Run(_file, _geometry, _diskChunks, Lookup, _log.Count);

    /// <summary>The caller's files stay open; see <see cref="FormatFiles"/>.</summary>
    public void Dispose() => _taken.Clear();

    private void Load(DiskException entry, long offset)
    {
        if (entry.OldChunk >= _diskChunks)
        {
            throw new ImageFormatException(_file.Name, offset + DiskException.OldChunkAt, $"a chunk of the disk, which has {_diskChunks}", $"{entry.OldChunk}");
        }
        if (_placed.TryAt(entry.OldChunk, out _))
        {
            throw new ImageFormatException(_file.Name, offset + DiskException.OldChunkAt, "each chunk of the disk once", $"chunk {entry.OldChunk} again");
        }
        if (!_free.TryTake(entry.NewChunk))
        {
            throw new ImageFormatException(_file.Name, offset + DiskException.NewChunkAt, $"a data chunk of the store, which has {_free.Capacity} chunks, each once", $"{entry.NewChunk}");
        }
        _placed.Add(entry.OldChunk, entry.NewChunk, 1);
    }

    private void AdoptChunk(ulong chunk, ulong place)
    {
        if (_placed.TryAt(chunk, out MapRun run) || _pending.TryAt(chunk, out run))
        {
            if (run.ValueOf(chunk) != place)
            {
                throw Conflict(chunk, PlaceOf(place), $"sector {PlaceOf(run.ValueOf(chunk)).Sector}, which the store has for the chunk");
            }
            return;
        }
        if (Room == 0 || !_free.TryTake(place))
        {
            throw Conflict(chunk, PlaceOf(place), "a free place of the store");
        }
        _pending.Add(chunk, place, 1);
    }

    /// <summary>Runs from the first one on whose places follow each other, and whose chunks were allocated no others: a pool is used in order. Whether
    /// chunks are in the list is not asked, see <see cref="SortListed"/>.</summary>
    /// <returns>How many of <paramref name="runs"/>; with none of their <paramref name="chunks"/>, where the first was allocated places.</returns>
    private int Adjoining(ReadOnlySpan<PlacedRun> runs, out ulong chunks)
    {
        (int device, ulong next) = runs[0].Place;
        int adjoining = 0;
        while (adjoining < runs.Length && runs[adjoining].Place.Sector == next && runs[adjoining].Place.Device == device)
        {
            next += runs[adjoining].Run.Count * _geometry.ChunkSectors;
            adjoining++;
        }
        if (_pending.Total > 0)
        {
            adjoining = Unallocated(runs[..adjoining]);
        }
        chunks = ChunksOf(runs[..adjoining]);
        return adjoining;
    }

    private ulong ChunksOf(ReadOnlySpan<PlacedRun> adjoining) => adjoining.IsEmpty
        ? 0
        : _geometry.ChunkOf(adjoining[^1].Place.Sector - adjoining[0].Place.Sector) + adjoining[^1].Run.Count;

    /// <summary>How many runs from the first one on have no chunk that was allocated a place.</summary>
    private int Unallocated(ReadOnlySpan<PlacedRun> runs)
    {
        int count = 0;
        while (count < runs.Length && !_pending.HasAny(runs[count].Run.Chunk, runs[count].Run.Count))
        {
            count++;
        }
        return count;
    }

    private ulong TakeChunks(PlacedRun run)
    {
        Sort();
        ulong place = FirstOf(run.Place);
        ulong taken = 0;
        for (ulong i = 0; i < run.Run.Count; i++)
        {
            taken += TakeChunk(run.Run.Chunk + i, place + i);
        }
        return taken;
    }

    /// <summary>The kernel gives no chunk a second place. If it did, the list would name the chunk twice by now, and this throws for good: nothing is looked
    /// up any more.</summary>
    private void SortListed()
    {
        for (; _listed > 0; _listed--)
        {
            // Before anything is forgotten: what fails, for want of memory, is tried again.
            PlacedRun run = _taken.Runs[0];
            _placed.Add(run.Run.Chunk, FirstOf(run.Place), run.Run.Count);
            _listedChunks -= run.Run.Count;
            _taken.Drop(1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Sort()
    {
        if (_taken.Count > 0)
        {
            SortTaken();
        }
    }

    private void SortTaken()
    {
        SortListed();
        while (_taken.Count > 0)
        {
            PlacedRun run = _taken.Runs[0];
            // First: whatever fails below, no place is given back twice.
            _taken.Drop(1);
            _takenChunks -= run.Run.Count;
            ulong place = FirstOf(run.Place);
            // A copy failed, and the kernel took the next place.
            for (ulong i = 0; _pending.HasAny(run.Run.Chunk, run.Run.Count) && i < run.Run.Count; i++)
            {
                GiveBack(run.Run.Chunk + i);
            }
            _pending.Add(run.Run.Chunk, place, run.Run.Count);
        }
    }

    /// <summary>The place that a chunk was allocated, if any, is free: the kernel uses another one.</summary>
    private void GiveBack(ulong chunk)
    {
        if (_pending.TryAt(chunk, out MapRun run))
        {
            _pending.Remove(chunk, 1);
            _free.Give(run.ValueOf(chunk), 1);
        }
    }

    private ulong TakeChunk(ulong chunk, ulong place)
    {
        bool inList = _placed.TryAt(chunk, out MapRun run);
        bool allocated = !inList && _pending.TryAt(chunk, out run);
        if ((inList || allocated) && run.ValueOf(chunk) == place)
        {
            return 0;
        }
        if (inList || !_reserved.TryAt(place, out _))
        {
            throw Conflict(chunk, PlaceOf(place), "a place that was allocated for the chunk, or reserved");
        }
        GiveBack(chunk);
        _reserved.Remove(place, 1);
        _pending.Add(chunk, place, 1);
        return 1;
    }

    /// <summary>Commits runs as long as they are the oldest that were taken.</summary>
    /// <returns>How many that were.</returns>
    private int CommitTaken(ReadOnlySpan<PlacedRun> runs)
    {
        int committed = runs.CommonPrefixLength(_taken.Runs[_listed..]);
        ulong chunks = _log.Append(runs[..committed]);
        _listed += committed;
        _listedChunks += chunks;
        _takenChunks -= chunks;
        if (_listed > MostListed)
        {
            SortListed();
        }
        return committed;
    }

    private void CommitRun(in PlacedRun placed)
    {
        ulong chunk = placed.Run.Chunk;
        ulong place = _geometry.ChunkOf(placed.Place.Sector);
        Sort();
        while (chunk < placed.Run.End)
        {
            bool pending = _pending.TryAt(chunk, out MapRun run);
            if ((!pending && !_placed.TryAt(chunk, out run)) || run.ValueOf(chunk) != place)
            {
                throw new InvalidOperationException($"chunk {chunk} was never given the place at sector {PlaceOf(place).Sector}");
            }
            ulong count = Math.Min(run.End, placed.Run.End) - chunk;
            if (pending)
            {
                _pending.Remove(chunk, count);
                _placed.Add(chunk, place, count);
                _ = _log.Append([new PlacedRun(new ChunkRun(chunk, count), PlaceOf(place))]);
            }
            chunk += count;
            place += count;
        }
    }

    /// <summary>Cuts a run of chunks off where <paramref name="run"/> begins or, if it begins before, where it ends.</summary>
    /// <returns>False if it begins before.</returns>
    private static bool ClipTo(MapRun run, ulong chunk, ref ulong count)
    {
        bool behind = run.Key > chunk;
        count = Math.Min(count, (behind ? run.Key : run.End) - chunk);
        return behind;
    }

    private Allocation Answer(ulong chunk, ulong place, ulong count, Fill fill, ByteRange metadata)
    {
        ChunkRun run = new(chunk, count);
        return new Allocation(new PlacedRun(run, count == 0 ? default : PlaceOf(place)), fill, new Extent(run, ExtentKind.Base, default), metadata);
    }

    /// <summary>From the first to the last area that the list will enter to name all places that were given out; data chunks in between were given out,
    /// too. Told with every answer until the list is there: the first who was told may have found no room for it.</summary>
    private ByteRange AreasToCome() => Entries < _log.AreaEnd ? default : AreasTo(Entries);

    private ByteRange AreasTo(ulong entry)
    {
        ulong next = _geometry.AreaChunk((_log.Count / _geometry.EntriesPerArea) + 1);
        ulong last = _geometry.AreaChunk(entry / _geometry.EntriesPerArea);
        return new ByteRange((long)next * _geometry.ChunkBytes, (long)(last - next + 1) * _geometry.ChunkBytes);
    }

    /// <summary>The chunk of the store that a place is.</summary>
    private ulong FirstOf(Place place) => place.Device == 0 && place.Sector % _geometry.ChunkSectors == 0
        ? _geometry.ChunkOf(place.Sector)
        : throw new ImageFormatException(_file.Name, 0, "a whole chunk of the store", $"sector {place.Sector} of device {place.Device}, granted");

    private Place PlaceOf(ulong storeChunk) => new(0, storeChunk * _geometry.ChunkSectors);

    private ulong ClipToDisk(ulong chunk, ulong count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(chunk, _diskChunks);
        ArgumentOutOfRangeException.ThrowIfZero(count);
        return Math.Min(count, _diskChunks - chunk);
    }

    private void RefuseIfNotWritable()
    {
        if (_readOnly || _failed)
        {
            throw NotWritable();
        }
    }

    private Exception NotWritable() => _readOnly
        ? new InvalidOperationException($"{_file.Name} is open read-only")
        : new IOException($"{_file.Name}: an earlier write failed; open the store again");

    private ImageFormatException Conflict(ulong chunk, Place place, string expected) =>
        new(_file.Name, 0, expected, $"sector {place.Sector} of device {place.Device}, adopted for chunk {chunk}");
}
