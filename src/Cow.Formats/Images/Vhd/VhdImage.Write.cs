// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <content>The writing part. The remarks of the class say in which order things are written.</content>
internal sealed partial class VhdImage
{
    /// <summary>Data of new blocks starts on a page, so that the guest's pages are pages of the file; the bitmap comes before it. As tapdisk does.</summary>
    private const int DataAlignment = 4096;

    // Where the committed blocks are, and those that are reserved.
    private readonly VhdSpace _space;

    // Bitmaps of blocks that were reserved and are not in the table: byte offset by block.
    private readonly Dictionary<ulong, long> _newBlocks = [];

    // Chunks that were reserved and not committed, and those whose place cannot be written; the values are the keys.
    private readonly RunMap _reserved = new();
    private readonly RunMap _abandoned = new();

    // Blocks whose bitmap was written as a whole since the image was opened; the values are the keys.
    private readonly RunMap _wroteBitmap = new();

    // First byte where a new block may be; first byte behind the last committed block or the metadata.
    private long _free;
    private long _committedEnd;
    private ulong _placedChunks;
    private bool _failed;
    private bool _footerMoved;

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
        if (!TryPlaceOf(block, out long place))
        {
            if (!TryTakeSpace(out place))
            {
                return new PlacedRun(run with { Count = 0 }, default);
            }
            _newBlocks.Add(block, place);
        }
        metadata = UnwrittenMetadata(block, place);
        AddReserved(run);
        return new PlacedRun(run, PlaceIn(place, run.Chunk));
    }

    public void Adopt(PlacedRun run)
    {
        RefuseIfNotWritable();
        ulong block = run.Run.Chunk / ChunksPerBlock;
        long place = ((long)Math.Min(run.Place.Sector, long.MaxValue / Sector) * Sector) - _layout.BitmapBytes - WithinBlock(run.Run.Chunk);
        ulong chunks = ((_layout.VirtualBytes - 1) / (Info.ChunkSectors * (ulong)Sector)) + 1;
        bool inside = run.Run.Chunk < chunks && run.Run.Count > 0 && run.Run.Count <= Math.Min(chunks - run.Run.Chunk, ChunksPerBlock - (run.Run.Chunk % ChunksPerBlock));
        if (!inside || run.Place.Device != 0 || place < 0)
        {
            throw NotTheirs(run, "chunks of one block in the file");
        }
        if (TryPlaceOf(block, out long known))
        {
            if (known != place)
            {
                throw NotTheirs(run, $"chunks of the block at {known}");
            }
        }
        else
        {
            AdoptBlock(run, block, place);
        }
        AddAbsent(run.Run);
    }

    public void Abandon(ChunkRun run)
    {
        while (_reserved.TryTakeOut(ref run, out MapRun reserved))
        {
            _abandoned.Add(reserved.Key, reserved.Key, reserved.Count);
        }
    }

    public bool IsGivenUp(ulong chunk) => _abandoned.TryAt(chunk, out _);

    public IEnumerable<ByteRange> MetadataIn(IImageFile file) =>
        ReferenceEquals(file, _file) ? [new ByteRange(_layout.TableOffset, _layout.TableEnd - _layout.TableOffset)] : [];

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        RefuseIfNotWritable();
        _failed = true;
        // The bitmap of each block that changes.
        SortedDictionary<ulong, byte[]> bitmaps = [];
        foreach (PlacedRun run in runs)
        {
            Settle(run, bitmaps);
        }
        Publish(bitmaps);
        _failed = false;
    }

    public void Flush()
    {
        RefuseIfNotWritable();
        _failed = true;
        _file.Flush();
        _failed = false;
    }

    public bool TryZero(ChunkRun run)
    {
        // Of a chunk that has a place the sectors would stay where they are, for QEMU to read: zeros must be written over them.
        ulong chunkBytes = Info.ChunkSectors * (ulong)Sector;
        ulong end = Math.Min(run.End * chunkBytes, _layout.VirtualBytes);
        for (ulong at = run.Chunk * chunkBytes; at < end;)
        {
            ImageExtent extent = Lookup(at, end - at);
            if (IsChild || extent.Kind != ImageExtentKind.Below)
            {
                return false;
            }
            at += extent.Length;
        }
        return true;
    }

    public void Grow()
    {
        if (!_file.CanGrow)
        {
            _footerMoved = true;
        }
    }

    public void Close()
    {
        RefuseIfNotWritable();
        _failed = true;
        ForgetReserved();
        long end = _file.CanGrow ? _committedEnd : _file.Length - VhdFooter.Bytes;
        if (_footerMoved || _layout.Footers.End != end || _free != _committedEnd)
        {
            _file.WriteAt(_layout.Footers.Footer.Raw, end);
            if (_file.CanGrow)
            {
                _file.SetLength(end + VhdFooter.Bytes);
            }
        }
        _file.Flush();
        _failed = false;
    }

    /// <summary>Reads the whole table: finds blocks over each other or over the footer, and where new ones may be. Makes the footer's copy good.</summary>
    private void PrepareToWrite()
    {
        VhdFooters footers = _layout.Footers;
        for (ulong block = 0; block < _layout.Blocks; block++)
        {
            bool present = _table.TryPlace(block, out long place);
            if (present && !_space.TryAdd(place, out long other))
            {
                throw new ImageFormatException(_file.Name, _table.EntryAt(block), "blocks beside each other", $"one at {place} over one at {other}");
            }
        }
        long used = Math.Max(_space.End, _layout.MetadataEnd);
        long end = footers.End >= 0 ? footers.End : _file.Length;
        if (_space.End > end)
        {
            // Whoever writes a block makes room for all of it first, and a footer behind it: some of the file was lost.
            throw new ImageFormatException(_file.Name, end, footers.End >= 0 ? "the footer behind all blocks" : "all blocks before the end of the file", $"blocks up to {_space.End}");
        }
        PlanSpace(Math.Max(used, _table.EndOfBlocksBehindTheDisk(footers.End >= 0 ? footers.End : _file.Length)));
        if (!footers.CopyGood)
        {
            _file.WriteAt(footers.Footer.Raw, 0);
            _file.Flush();
        }
        if (_batmap is not null && NamesAbsentBlocks(_batmap))
        {
            // A block that is placed later would be taken for full.
            _batmap.Clear();
        }
    }

    private void PlanSpace(long used)
    {
        VhdFooters footers = _layout.Footers;
        // Without a footer at the end, or with room for a block before it, the file may end with what a crash left: a footer is moved before the
        // table names the block.
        bool whole = footers.End >= 0 && footers.End - used < SpanBytes;
        _committedEnd = VhdLayout.AlignUp(_file.CanGrow && whole ? footers.End : used, Sector);
        _free = _committedEnd;
        if (_file.CanGrow && !IsChild && !whole)
        {
            _free = VhdLayout.AlignUp(Math.Max(used, _file.Length), Sector);
        }
    }

    private bool NamesAbsentBlocks(VhdBatmap batmap)
    {
        for (ulong block = 0; batmap.TryNextFull(ref block) && block < _layout.Blocks; block++)
        {
            if (_table.Entry(block) == VhdLayout.NoBlock)
            {
                return true;
            }
        }
        return false;
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

    private bool TryPlaceOf(ulong block, out long place) => _table.TryPlace(block, out place) || _newBlocks.TryGetValue(block, out place);

    private bool TryTakeSpace(out long place)
    {
        long data = VhdLayout.AlignUp(_free + _layout.BitmapBytes, DataAlignment);
        long end = data + _layout.BlockBytes;
        place = data - _layout.BitmapBytes;
        long most = _file.CanGrow ? (VhdLayout.NoBlock - 1L) * Sector : _file.Length - VhdFooter.Bytes;
        if (end > most)
        {
            return false;
        }
        _space.TryAdd(place, out _);
        _free = end;
        return true;
    }

    /// <summary>What the commit of a chunk of a block writes for the first time. Of a new one its bitmap, and behind it the footer; the block between them, too,
    /// will be full in the end. Of one that was there its bitmap: a disk may have a million of them, too many to be told when it is opened.</summary>
    private ByteRange UnwrittenMetadata(ulong block, long place) =>
        _newBlocks.ContainsKey(block) ? new ByteRange(place, SpanBytes + (_file.CanGrow ? VhdFooter.Bytes : 0))
        : _wroteBitmap.TryAt(block, out _) ? default
        : new ByteRange(place, _layout.BitmapBytes);

    private void AdoptBlock(PlacedRun run, ulong block, long place)
    {
        if ((long)run.Place.Sector * Sector >= _file.Length)
        {
            throw NotTheirs(run, $"a place in the file of {_file.Length} bytes");
        }
        if (_layout.Overlapped(place, place + SpanBytes) is { } metadata)
        {
            throw NotTheirs(run, $"a block beside {metadata.What}");
        }
        if (!_space.TryAdd(place, out long other))
        {
            throw NotTheirs(run, $"a block beside the one at {other}");
        }
        _newBlocks.Add(block, place);
        _free = Math.Max(_free, place + SpanBytes);
    }

    private ImageFormatException NotTheirs(PlacedRun run, string expected) =>
        new(_file.Name, (long)Math.Min(run.Place.Sector, long.MaxValue / Sector) * Sector, expected, $"{run.Run.Count} chunks from {run.Run.Chunk} on adopted at sector {run.Place.Sector} of file {run.Place.Device}");

    private long WithinBlock(ulong chunk) => (long)(chunk % ChunksPerBlock * Info.ChunkSectors * Sector);

    private Place PlaceIn(long place, ulong chunk) => new(0, (ulong)(place + _layout.BitmapBytes + WithinBlock(chunk)) / Sector);

    /// <summary>Notes chunks of a run as reserved that are not here throughout.</summary>
    private void AddAbsent(ChunkRun run)
    {
        ulong chunkBytes = Info.ChunkSectors * (ulong)Sector;
        for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
        {
            ulong bytes = Math.Min(chunkBytes, _layout.VirtualBytes - (chunk * chunkBytes));
            ImageExtent extent = Lookup(chunk * chunkBytes, bytes);
            if (extent.Kind != ImageExtentKind.Data || extent.Length < bytes)
            {
                AddReserved(new ChunkRun(chunk, 1));
            }
        }
    }

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

    /// <summary>Sets the bits of a run in its block's bitmap, in memory.</summary>
    private void Settle(PlacedRun run, SortedDictionary<ulong, byte[]> bitmaps)
    {
        ulong block = run.Run.Chunk / ChunksPerBlock;
        if (!TryPlaceOf(block, out long place) || run.Place != PlaceIn(place, run.Run.Chunk))
        {
            throw new InvalidOperationException($"chunk {run.Run.Chunk} was never given the place at sector {run.Place.Sector}");
        }
        if (!bitmaps.TryGetValue(block, out byte[]? bitmap))
        {
            bitmap = new byte[_layout.BitmapBytes];
            if (!_newBlocks.ContainsKey(block))
            {
                _file.ReadAt(bitmap, place);
            }
            bitmaps.Add(block, bitmap);
        }
        ulong first = run.Run.Chunk * Info.ChunkSectors;
        ulong end = Math.Min(run.Run.End * Info.ChunkSectors, _layout.VirtualBytes / Sector);
        SectorBits.Set(bitmap, _order, (int)(first % (_layout.BlockBytes / Sector)), (int)(end - first));
        for (ulong chunk = run.Run.Chunk; _reserved.TryAtOrAfter(chunk, out MapRun reserved) && reserved.Key < run.Run.End;)
        {
            chunk = Math.Max(chunk, reserved.Key);
            ulong count = Math.Min(run.Run.End, reserved.End) - chunk;
            _reserved.Remove(chunk, count);
            _placedChunks += count;
        }
    }

    /// <summary>Writes bitmaps, and the table's entries of blocks that are new.</summary>
    private void Publish(SortedDictionary<ulong, byte[]> bitmaps)
    {
        List<KeyValuePair<ulong, long>> entries = [];
        foreach ((ulong block, byte[] bitmap) in bitmaps)
        {
            if (_newBlocks.TryGetValue(block, out long place))
            {
                WriteBitmap(block, place, bitmap);
                entries.Add(new(block, place));
            }
        }
        if (entries.Count > 0)
        {
            MoveFooter(entries.Max(e => e.Value) + SpanBytes);
            _file.Flush();
            _table.Write(entries);
        }
        foreach ((ulong block, byte[] bitmap) in bitmaps)
        {
            if (!_newBlocks.Remove(block))
            {
                _table.TryPlace(block, out long place);
                WriteBitmap(block, place, bitmap);
            }
        }
    }

    /// <summary>The first time as a whole: from then on all of it has its blocks of the file system, and nobody need be told of it.</summary>
    private void WriteBitmap(ulong block, long place, byte[] bitmap)
    {
        if (_wroteBitmap.TryAt(block, out _))
        {
            WriteChanged(place, bitmap);
            return;
        }
        _file.WriteAt(bitmap, place);
        _wroteBitmap.Add(block, block, 1);
    }

    /// <summary>Puts the footer behind the last block, where the file ends or room for the next bitmap follows.</summary>
    private void MoveFooter(long end)
    {
        if (_file.CanGrow && end > _committedEnd)
        {
            _committedEnd = end;
            _file.WriteAt(_layout.Footers.Footer.Raw, end);
            _footerMoved = true;
        }
    }

    private void WriteChanged(long place, byte[] bitmap)
    {
        Span<byte> before = stackalloc byte[Sector];
        for (int at = 0; at < bitmap.Length; at += Sector)
        {
            ReadOnlySpan<byte> now = bitmap.AsSpan(at, Sector);
            _file.ReadAt(before, place + at);
            if (!before.SequenceEqual(now))
            {
                _file.WriteAt(now, place + at);
            }
        }
    }

    /// <summary>Gives back what was reserved and never committed. A block between committed ones cannot be given back: it is placed, empty.</summary>
    private void ForgetReserved()
    {
        SortedDictionary<ulong, byte[]> empty = [];
        foreach ((ulong block, long place) in _newBlocks)
        {
            if (place < _committedEnd)
            {
                empty.Add(block, new byte[_layout.BitmapBytes]);
            }
        }
        if (!IsChild)
        {
            ZeroReserved(empty);
        }
        Publish(empty);
        _newBlocks.Clear();
    }

    /// <summary>Makes the places of reserved chunks in placed blocks read as zeros for those who ignore bitmaps.</summary>
    private void ZeroReserved(SortedDictionary<ulong, byte[]> empty)
    {
        for (ulong from = 0; _reserved.TryAtOrAfter(from, out MapRun run); from = run.End)
        {
            for (ulong chunk = run.Key; chunk < run.End; chunk++)
            {
                ulong block = chunk / ChunksPerBlock;
                if (_table.TryPlace(block, out long place) || (empty.ContainsKey(block) && _newBlocks.TryGetValue(block, out place)))
                {
                    ZeroAbsent(chunk, (long)PlaceIn(place, chunk).Sector * Sector);
                }
            }
        }
    }

    private void ZeroAbsent(ulong chunk, long place)
    {
        ulong start = chunk * Info.ChunkSectors * Sector;
        ulong end = Math.Min(start + (Info.ChunkSectors * Sector), _layout.VirtualBytes);
        for (ulong at = start; at < end;)
        {
            ImageExtent extent = Lookup(at, end - at);
            if (extent.Kind == ImageExtentKind.Below)
            {
                _file.Uncached.WriteAt(new byte[extent.Length], place + (long)(at - start));
            }
            at += extent.Length;
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
