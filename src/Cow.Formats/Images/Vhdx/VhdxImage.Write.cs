// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <content>The writing part. The remarks of the class say in which order things are written.</content>
internal sealed partial class VhdxImage
{
    /// <summary>Pages that are gathered for one entry of the log. A run of chunks, inside one block, changes 18 more at most.</summary>
    private const int GatheredPages = 64;

    // What is in use, by what is committed and what is reserved. Null when read-only.
    private readonly RangeSet? _space;

    // Places of blocks that were reserved and are not in the table: byte offset by block, or by number of the sector bitmap block.
    private readonly Dictionary<ulong, long> _newBlocks = [];
    private readonly Dictionary<ulong, long> _newBitmaps = [];

    // Chunks that were reserved and not committed, and those whose place cannot be written; the values are the keys.
    private readonly RunMap _reserved = new();
    private readonly RunMap _abandoned = new();

    // Blocks that became partial in the pages that are gathered now.
    private readonly HashSet<ulong> _named = [];

    private VhdxLogWriter? _log;

    // First byte behind all that is in use; behind what is committed; behind that when the image was opened.
    private long _free;
    private long _committedEnd;
    private long _openedEnd;
    private ulong _placedChunks;
    private bool _failed;

    private ulong ChunksPerBlock => _table.BlockBytes / Sector / Info.ChunkSectors;

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        RefuseIfNotWritable();
        metadata = default;
        ChunkRun run = Placeable(wanted);
        ulong block = run.Chunk / ChunksPerBlock;
        if (run.Count == 0)
        {
            return new PlacedRun(run, default);
        }
        if (!TryPlaceOf(block, out long place) && !TryTakeBlock(block, out place))
        {
            return new PlacedRun(run with { Count = 0 }, default);
        }
        metadata = NewMetadata(block);
        AddReserved(run);
        return new PlacedRun(run, PlaceIn(place, run.Chunk));
    }

    public void Adopt(PlacedRun run)
    {
        RefuseIfNotWritable();
        ulong chunks = ((_metadata.VirtualBytes - 1) / (Info.ChunkSectors * (ulong)Sector)) + 1;
        bool inside = run.Run.Chunk < chunks && run.Run.Count > 0 && run.Run.Count <= chunks - run.Run.Chunk;
        if (!inside || run.Place.Device != 0)
        {
            throw NotTheirs(run, $"chunks of a disk of {chunks}, in file 0");
        }
        foreach (PlacedRun part in ByBlock(run))
        {
            AdoptPart(part);
        }
    }

    public void Abandon(ChunkRun run)
    {
        while (_reserved.TryTakeOut(ref run, out MapRun reserved))
        {
            _abandoned.Add(reserved.Key, reserved.Key, reserved.Count);
        }
    }

    public bool IsGivenUp(ulong chunk) => _abandoned.TryAt(chunk, out _);

    public IEnumerable<ByteRange> MetadataIn(IImageFile file)
    {
        if (!ReferenceEquals(file, _file))
        {
            return [];
        }
        long headers = VhdxFormat.HeadersAt[0];
        VhdxHeader current = _headers.Current;
        RangeSet bitmaps = VhdxFormat.NewSpace();
        AddBitmaps(_table, bitmaps);
        return
        [
            new ByteRange(headers, VhdxFormat.HeadersAt[1] + VhdxFormat.Page - headers),
            new ByteRange((long)current.LogOffset, current.LogLength),
            new ByteRange(_regions.Bat.Start, VhdxFormat.AlignUp(_table.Bytes, VhdxFormat.Page)),
            .. bitmaps.Ranges(),
        ];
    }

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        RefuseIfNotWritable();
        _failed = true;
        SortedDictionary<long, byte[]> pages = [];
        foreach (PlacedRun run in runs)
        {
            foreach (PlacedRun part in ByBlock(run))
            {
                CommitPart(part, pages);
                Write(pages, GatheredPages);
            }
        }
        Write(pages, 1);
        _failed = false;
    }

    public void Flush()
    {
        RefuseIfNotWritable();
        _failed = true;
        _log!.Flush();
        _failed = false;
    }

    public bool TryZero(ChunkRun run)
    {
        ulong chunkBytes = Info.ChunkSectors * (ulong)Sector;
        ulong end = Math.Min(run.End * chunkBytes, _metadata.VirtualBytes);
        for (ulong at = run.Chunk * chunkBytes; at < end;)
        {
            ImageExtent extent = Lookup(at, end - at);
            if (extent.Kind == ImageExtentKind.Data || (extent.Kind == ImageExtentKind.Below && _metadata.HasParent))
            {
                return false;
            }
            at += extent.Length;
        }
        return true;
    }

    public void Grow()
    {
        // The length is asked for whenever room is needed.
    }

    public void Close()
    {
        RefuseIfNotWritable();
        _failed = true;
        if (_file.CanGrow)
        {
            PlaceHoles();
        }
        _log!.Close();
        // Behind the log's end: it would call a shorter file truncated.
        if (_file.CanGrow && _file.Length > _committedEnd)
        {
            _file.SetLength(_committedEnd);
        }
        _file.Flush();
        _failed = false;
    }

    /// <summary>Plays the log back into the file, and puts new ids into the headers.</summary>
    private VhdxParts PrepareToWrite(VhdxParts parts, bool forRepair)
    {
        _openedEnd = _committedEnd = _space!.End;
        _free = _file.CanGrow ? VhdxFormat.AlignUp(Math.Max(parts.Medium.Length, _committedEnd), VhdxFormat.Megabyte) : _committedEnd;
        parts.Replay?.Apply(_file);
        bool curable = parts.Replay is not null || !_headers.BothGood || (_file.CanGrow && _file.Length > _committedEnd);
        if (!forRepair || curable)
        {
            // Whoever has the image as its parent must know that it is not what it was: rewrites pass us by, so it is said now. A repair changes
            // nothing of what the disk reads.
            _headers.Update(Guid.NewGuid(), forRepair ? _headers.Current.DataWriteId : Guid.NewGuid(), Guid.Empty);
        }
        _log = new VhdxLogWriter(_file, _headers);
        if (parts.Replay is null)
        {
            return parts;
        }
        VhdxMedium medium = new(_file, replay: null);
        return parts with { Medium = medium, Replay = null, Table = new VhdxTable(medium, parts.Regions, parts.Metadata) };
    }

    /// <summary>A run, cut where blocks end: new ones adjoin in the file, so runs of several may come back as one.</summary>
    private IEnumerable<PlacedRun> ByBlock(PlacedRun run)
    {
        while (run.Run.Count > 0)
        {
            ulong count = Math.Min(run.Run.Count, ChunksPerBlock - (run.Run.Chunk % ChunksPerBlock));
            yield return run with { Run = run.Run with { Count = count } };
            Place next = run.Place with { Sector = run.Place.Sector + (count * Info.ChunkSectors) };
            run = new PlacedRun(new ChunkRun(run.Run.Chunk + count, run.Run.Count - count), next);
        }
    }

    /// <summary>Takes over the places of chunks of one block.</summary>
    private void AdoptPart(PlacedRun part)
    {
        if (part.Place.Sector >= (ulong)_file.Length / Sector)
        {
            throw NotTheirs(part, $"a place in the file of {_file.Length} bytes");
        }
        ulong block = part.Run.Chunk / ChunksPerBlock;
        long place = ((long)part.Place.Sector * Sector) - WithinBlock(part.Run.Chunk);
        if (!TryPlaceOf(block, out long known))
        {
            AdoptBlock(part, block, place);
        }
        else if (known != place)
        {
            throw NotTheirs(part, $"chunks of the block at {known}");
        }
        AddAbsent(part.Run);
    }

    /// <summary>Names the places of chunks of one block, in gathered pages.</summary>
    private void CommitPart(PlacedRun part, SortedDictionary<long, byte[]> pages)
    {
        ulong block = part.Run.Chunk / ChunksPerBlock;
        if (!TryPlaceOf(block, out long place) || part.Place != PlaceIn(place, part.Run.Chunk))
        {
            throw new InvalidOperationException($"chunk {part.Run.Chunk} was never given the place at sector {part.Place.Sector}");
        }
        Settle(part.Run, block, place, pages);
    }

    /// <summary>The first chunks of a run that are in one block, up to one whose place cannot be written.</summary>
    private ChunkRun Placeable(ChunkRun wanted)
    {
        ulong count = Math.Min(wanted.Count, ChunksPerBlock - (wanted.Chunk % ChunksPerBlock));
        if (_abandoned.TryAtOrAfter(wanted.Chunk, out MapRun bad))
        {
            count = bad.Key <= wanted.Chunk ? 0 : Math.Min(count, bad.Key - wanted.Chunk);
        }
        return wanted with { Count = count };
    }

    private bool TryPlaceOf(ulong block, out long place)
    {
        VhdxEntry entry = _table.Entry(block);
        place = entry.Offset;
        return entry.HasPlace || _newBlocks.TryGetValue(block, out place);
    }

    /// <summary>Whether a block that has no place yet becomes partial: over a parent, unless it reads as zeros or is placed as a whole.</summary>
    private bool BecomesPartial(ulong block) => _metadata.HasParent && ChunksPerBlock > 1 && _table.Entry(block).State == VhdxState.NotPresent;

    private bool TryTakeBlock(ulong block, out long place)
    {
        bool bitmap = BecomesPartial(block) && !HasBitmap(block / _table.Ratio);
        long end = _free + _table.BlockBytes;
        long all = end + (bitmap ? VhdxFormat.BitmapBlockBytes : 0);
        place = _free;
        if (!_file.CanGrow && all > _file.Length)
        {
            return false;
        }
        _space!.TryAdd(place, all - place);
        _newBlocks.Add(block, place);
        if (bitmap)
        {
            _newBitmaps.Add(block / _table.Ratio, end);
        }
        _free = all;
        return true;
    }

    /// <summary>What the commit of a chunk in this block writes for the first time: the block of bitmaps. The last page of a new block comes with
    /// it, so that the file reaches as far as the table will say.</summary>
    private ByteRange NewMetadata(ulong block)
    {
        long first = long.MaxValue;
        long end = 0;
        if (_newBlocks.TryGetValue(block, out long place))
        {
            end = place + _table.BlockBytes;
            first = end - VhdxFormat.Page;
        }
        if (_newBitmaps.TryGetValue(block / _table.Ratio, out long bitmap))
        {
            first = Math.Min(first, bitmap);
            end = Math.Max(end, bitmap + VhdxFormat.BitmapBlockBytes);
        }
        return end == 0 ? default : new ByteRange(first, end - first);
    }

    private bool HasBitmap(ulong bitmap) => _newBitmaps.ContainsKey(bitmap) || _table.Bitmap(bitmap) != 0;

    private void AdoptBlock(PlacedRun run, ulong block, long place)
    {
        if (place < _regions.End || place % VhdxFormat.Megabyte != 0 || !_space!.TryAdd(place, _table.BlockBytes))
        {
            throw NotTheirs(run, "a block on a megabyte, beside all others");
        }
        _newBlocks.Add(block, place);
        _free = Math.Max(_free, place + _table.BlockBytes);
    }

    private ImageFormatException NotTheirs(PlacedRun run, string expected) =>
        new(_file.Name, (long)Math.Min(run.Place.Sector, long.MaxValue / Sector) * Sector, expected, $"{run.Run.Count} chunks from {run.Run.Chunk} on adopted at sector {run.Place.Sector} of file {run.Place.Device}");

    private long WithinBlock(ulong chunk) => (long)(chunk % ChunksPerBlock * Info.ChunkSectors * Sector);

    private Place PlaceIn(long place, ulong chunk) => new(0, (ulong)(place + WithinBlock(chunk)) / Sector);

    private void AddReserved(ChunkRun run)
    {
        for (ulong chunk = run.Chunk; chunk < run.End;)
        {
            bool any = _reserved.TryAtOrAfter(chunk, out MapRun reserved);
            if (any && reserved.Key <= chunk)
            {
                chunk = reserved.End;
                continue;
            }
            ulong count = (any ? Math.Min(run.End, reserved.Key) : run.End) - chunk;
            _reserved.Add(chunk, chunk, count);
            chunk += count;
        }
    }

    /// <summary>Notes chunks of a run as reserved that are not here throughout.</summary>
    private void AddAbsent(ChunkRun run)
    {
        ulong chunkBytes = Info.ChunkSectors * (ulong)Sector;
        for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
        {
            ulong bytes = Math.Min(chunkBytes, _metadata.VirtualBytes - (chunk * chunkBytes));
            ImageExtent extent = Lookup(chunk * chunkBytes, bytes);
            if (extent.Kind != ImageExtentKind.Data || extent.Length < bytes)
            {
                AddReserved(new ChunkRun(chunk, 1));
            }
        }
    }

    /// <summary>Changes the pages of table and bitmap that say where a run is, in memory.</summary>
    private void Settle(ChunkRun run, ulong block, long place, SortedDictionary<long, byte[]> pages)
    {
        VhdxEntry entry = _table.Entry(block);
        bool partial = entry.State == VhdxState.Partial || (!entry.HasPlace && BecomesPartial(block));
        if (!entry.HasPlace)
        {
            RaiseEnd(place + _table.BlockBytes);
            Name(pages, block, place, partial);
        }
        if (partial)
        {
            SetBits(pages, run, BitmapOf(block / _table.Ratio, pages));
        }
        for (ulong chunk = run.Chunk; _reserved.TryAtOrAfter(chunk, out MapRun reserved) && reserved.Key < run.End;)
        {
            chunk = Math.Max(chunk, reserved.Key);
            ulong count = Math.Min(run.End, reserved.End) - chunk;
            _reserved.Remove(chunk, count);
            _placedChunks += count;
        }
    }

    /// <summary>Sets the entry of a block that had no place. What its bits were nobody had to care for: they start as zeros.</summary>
    private void Name(SortedDictionary<long, byte[]> pages, ulong block, long place, bool partial)
    {
        SetEntry(pages, _table.EntryAt(block), new VhdxEntry(partial ? VhdxState.Partial : VhdxState.Full, place));
        if (partial && _named.Add(block))
        {
            ClearBits(pages, block, BitmapOf(block / _table.Ratio, pages));
        }
    }

    private void ClearBits(SortedDictionary<long, byte[]> pages, ulong block, long bitmap)
    {
        long at = bitmap + ((long)(block % _table.Ratio) * _table.BitsBytes);
        long end = at + _table.BitsBytes;
        byte[] bits = new byte[VhdxFormat.Page];
        while (at < end)
        {
            long page = at & -VhdxFormat.Page;
            int count = (int)(Math.Min(end, page + VhdxFormat.Page) - at);
            _file.ReadAt(bits.AsSpan(0, count), at);
            if (bits.AsSpan(0, count).ContainsAnyExcept((byte)0))
            {
                PageAt(pages, page).AsSpan((int)(at - page), count).Clear();
            }
            at += count;
        }
    }

    /// <summary>The place of a sector bitmap block; one that is new gets its entry.</summary>
    private long BitmapOf(ulong bitmap, SortedDictionary<long, byte[]> pages)
    {
        long place = _table.Bitmap(bitmap);
        if (place != 0)
        {
            return place;
        }
        if (!_newBitmaps.TryGetValue(bitmap, out place))
        {
            place = TakeBitmap();
            _newBitmaps.Add(bitmap, place);
        }
        RaiseEnd(place + VhdxFormat.BitmapBlockBytes);
        SetEntry(pages, _table.BitmapEntryAt(bitmap), new VhdxEntry(VhdxState.Full, place));
        return place;
    }

    /// <summary>A place for a sector bitmap block, for blocks that were adopted: the former process had one that we do not know, and that may
    /// be a gap now. Zeros, durably.</summary>
    private long TakeBitmap()
    {
        long place = _space!.Hole(_openedEnd, _free, out _);
        _space.TryAdd(place, VhdxFormat.BitmapBlockBytes);
        _free = Math.Max(_free, place + VhdxFormat.BitmapBlockBytes);
        _file.WriteAt(new byte[VhdxFormat.BitmapBlockBytes], place);
        _log!.Flush();
        return place;
    }

    private void SetBits(SortedDictionary<long, byte[]> pages, ChunkRun run, long bitmap)
    {
        const int Bits = VhdxFormat.Page * 8;
        uint sectorBytes = _metadata.LogicalSectorBytes;
        ulong first = run.Chunk * Info.ChunkSectors * Sector / sectorBytes;
        ulong end = Math.Min(run.End * Info.ChunkSectors * Sector, _metadata.VirtualBytes) / sectorBytes;
        for (ulong at = first; at < end;)
        {
            ulong inBitmap = at % VhdxFormat.BitmapBlockSectors;
            int count = (int)Math.Min(end - at, Bits - (inBitmap % Bits));
            SectorBits.Set(PageAt(pages, bitmap + ((long)(inBitmap / Bits) * VhdxFormat.Page)), BitOrder.LeastSignificantFirst, (int)(inBitmap % Bits), count);
            at += (ulong)count;
        }
    }

    private void SetEntry(SortedDictionary<long, byte[]> pages, long at, VhdxEntry entry)
    {
        long page = at & -VhdxFormat.Page;
        WriteUInt64LittleEndian(PageAt(pages, page).AsSpan((int)(at - page)), entry.Raw);
    }

    /// <summary>A page of metadata that is to be changed.</summary>
    private byte[] PageAt(SortedDictionary<long, byte[]> pages, long at)
    {
        if (!pages.TryGetValue(at, out byte[]? page))
        {
            page = new byte[VhdxFormat.Page];
            _file.ReadAt(page, at);
            pages.Add(at, page);
        }
        return page;
    }

    /// <summary>The file must reach to the end of what the table will name.</summary>
    private void RaiseEnd(long end)
    {
        _committedEnd = Math.Max(_committedEnd, end);
        if (_file.CanGrow && _file.Length < end)
        {
            _file.SetLength(end);
        }
    }

    /// <summary>Writes gathered pages through the log, if there are that many.</summary>
    private void Write(SortedDictionary<long, byte[]> pages, int least)
    {
        if (pages.Count < least)
        {
            return;
        }
        _log!.Write(pages);
        pages.Clear();
        _named.Clear();
        _table.Forget();
        RemovePlaced(_newBlocks, block => _table.Entry(block).HasPlace);
        RemovePlaced(_newBitmaps, bitmap => _table.Bitmap(bitmap) != 0);
    }

    private static void RemovePlaced(Dictionary<ulong, long> places, Func<ulong, bool> isPlaced)
    {
        foreach (ulong key in places.Keys.Where(isPlaced).ToArray())
        {
            places.Remove(key);
        }
    }

    /// <summary>Blocks that were reserved and not committed lie between others: a file cannot give them back, so they are placed, with nothing in them.
    /// Where a chunk could not be written nobody knows what is there, and the block stays without an entry. On a device all do: nobody misses that room,
    /// and a block is a chunk there, which is named only when it was written throughout.</summary>
    private void PlaceHoles()
    {
        SortedDictionary<long, byte[]> pages = [];
        foreach ((ulong block, long place) in _newBlocks.Where(b => b.Value < _committedEnd).ToArray())
        {
            if (BecomesPartial(block))
            {
                Name(pages, block, place, partial: true);
            }
            else if (!_abandoned.HasAny(block * ChunksPerBlock, ChunksPerBlock))
            {
                ZeroReserved(block, place);
                _log!.Flush();
                Name(pages, block, place, partial: false);
            }
            Write(pages, GatheredPages);
        }
        Write(pages, 1);
        _newBlocks.Clear();
        _newBitmaps.Clear();
    }

    /// <summary>Nobody knows whether chunks that were reserved were written: all else in a new block is zeros.</summary>
    private void ZeroReserved(ulong block, long place)
    {
        byte[] zeros = new byte[Info.ChunkSectors * Sector];
        ulong end = (block + 1) * ChunksPerBlock;
        for (ulong chunk = block * ChunksPerBlock; _reserved.TryAtOrAfter(chunk, out MapRun run) && run.Key < end; chunk = run.End)
        {
            for (ulong at = Math.Max(chunk, run.Key); at < Math.Min(end, run.End); at++)
            {
                _file.Uncached.WriteAt(zeros, (long)PlaceIn(place, at).Sector * Sector);
            }
        }
    }

    private void RefuseIfNotWritable()
    {
        if (!_writable)
        {
            throw new InvalidOperationException($"{_file.Name} is open read-only");
        }
        if (_failed)
        {
            throw new IOException($"{_file.Name}: an earlier write failed; open the image again");
        }
    }
}
