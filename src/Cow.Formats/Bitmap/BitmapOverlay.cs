// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Bitmap;

/// <summary>
/// Van Hensbergen's stack: a base, read-only layers, one writable overlay; each level a bitmap and data at the offset that it has on the base.
/// </summary>
/// <remarks>The smallest format that there is. A place is fixed by the chunk's number, so nothing is ever allocated and a store is never full;
/// what is left to do is to set a chunk's bit after its data is safe.</remarks>
internal sealed class BitmapOverlay : IGrantingFormat
{
    /// <summary>The base owns the chunk. Layers follow from 1 on.</summary>
    private const int Base = 0;

    /// <summary>The overlay owns the chunk: behind the layers.</summary>
    private readonly int _mine;

    private readonly FormatFiles _files;
    private readonly OpenOptions _options;
    private readonly BitmapFile _overlay;
    private readonly List<BitmapFile> _layers = [];

    // Who owns each chunk. Only commits change it, so it is what the bitmap on disk says or is about to say.
    private readonly ChunkOwners _owners;

    // Chunks that were allocated and await commit, and those whose fixed place cannot be written.
    private readonly RunMap _pending = new();
    private readonly RunMap _abandoned = new();
    private ulong _committed;
    private bool _granted;

    // Sectors of the bitmap that the commit under way has to write.
    private readonly HashSet<ulong> _changed = [];
    private bool _failed;

    public BitmapOverlay(FormatFiles files, OpenOptions options)
    {
        _files = files;
        _options = options;
        ChunkOwners? owners = null;
        _mine = files.Layers.Count + 1;
        uint below = 0;
        foreach (LayerFiles layer in files.Layers)
        {
            _layers.Add(BitmapFile.Open(layer.Store, layer.Metadata, ref owners, _layers.Count + 1, _mine));
            below = RequireOrder(_layers[^1], (ulong)_layers.Count, below, layer.Store);
        }
        _overlay = BitmapFile.Open(files.Store, files.Metadata, ref owners, _mine, _mine);
        RequireOrder(_overlay, (ulong)_layers.Count + 1, below, files.Store);
        _owners = owners!;
        _committed = _owners.Count(_mine);
        Info = new FormatInfo(BitmapDriver.FormatName, Header.VirtualSize, Header.ChunkSectors, _layers.Count);
    }

    public FormatInfo Info { get; }

    public Usage Usage
    {
        get
        {
            ulong chunks = _committed + _pending.Total;
            long metadata = BitmapHeader.BitmapAt + (long)Header.BitmapBytes;
            return new Usage(chunks, metadata + (long)(chunks * Header.ChunkSectors * 512), metadata, metadata + (long)Header.VirtualSize);
        }
    }

    private BitmapHeader Header => _overlay.Header;

    public Extent Lookup(ulong chunk, ulong limit)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(chunk, Header.Chunks);
        ArgumentOutOfRangeException.ThrowIfZero(limit);
        ChunkRun run = new(chunk, _owners.RunAt(chunk, Math.Min(limit, Header.Chunks - chunk)));
        int owner = _owners.Of(chunk);
        if (owner == Base)
        {
            return new Extent(run, ExtentKind.Base, default);
        }
        return owner == _mine
            ? new Extent(run, ExtentKind.Overlay, PlaceOf(chunk))
            : new Extent(run, ExtentKind.Layer, new Place(owner - 1, _layers[owner - 1].Header.SectorOf(chunk)));
    }

    public Allocation Allocate(ChunkRun wanted)
    {
        RefuseIfNotWritable();
        Extent source = Lookup(wanted.Chunk, wanted.Count);
        ulong count = source.Run.Count;
        if (_abandoned.TryAtOrAfter(wanted.Chunk, out MapRun bad))
        {
            count = bad.Key <= wanted.Chunk ? 0 : Math.Min(count, bad.Key - wanted.Chunk);
        }
        ChunkRun run = new(wanted.Chunk, count);
        bool mine = source.Kind == ExtentKind.Overlay;
        if (!mine)
        {
            AddPending(run);
        }
        return new Allocation(
            new PlacedRun(run, count == 0 ? default : PlaceOf(run.Chunk)),
            mine ? Fill.None : Fill.Copy,
            mine ? default : source with { Run = run },
            default);
    }

    public void Adopt(PlacedRun run)
    {
        RefuseIfNotWritable();
        bool inside = run.Run.Count <= Header.Chunks && run.Run.Chunk <= Header.Chunks - run.Run.Count;
        if (!inside || run.Place != PlaceOf(run.Run.Chunk))
        {
            throw new ImageFormatException(_files.Store.Name, 0, "each chunk at its own offset", $"chunk {run.Run.Chunk} adopted at sector {run.Place.Sector} of device {run.Place.Device}");
        }
        Retake(run.Run);
        for (ulong chunk = run.Run.Chunk; chunk < run.Run.End;)
        {
            Extent extent = Lookup(chunk, run.Run.End - chunk);
            if (extent.Kind != ExtentKind.Overlay)
            {
                AddPending(extent.Run);
            }
            chunk = extent.Run.End;
        }
    }

    public PlaceGrant Reserve(ulong count)
    {
        RefuseIfNotWritable();
        PlaceGrant all = new(0, _granted ? 0 : Header.Chunks, PlaceOf(0), default);
        _granted = true;
        return all;
    }

    public void AdoptGrant(PlaceGrant grant)
    {
        bool inside = !grant.IsPool && grant.Count <= Header.Chunks && grant.Chunk <= Header.Chunks - grant.Count;
        if (!inside || grant.Place != PlaceOf(grant.Chunk))
        {
            throw new ImageFormatException(_files.Store.Name, 0, "each chunk at its own offset", $"chunk {grant.Chunk} granted at sector {grant.Place.Sector} of device {grant.Place.Device}");
        }
        _granted = true;
    }

    public ulong Take(ReadOnlySpan<PlacedRun> runs)
    {
        ulong before = _pending.Total;
        foreach (PlacedRun run in runs)
        {
            Adopt(run);
        }
        return _pending.Total - before;
    }

    public void Release(PlaceGrant grant) => _granted = false;

    public void Abandon(ChunkRun run)
    {
        while (_pending.TryTakeOut(ref run, out MapRun pending))
        {
            _abandoned.Add(pending.Key, pending.Key, pending.Count);
        }
    }

    public bool IsGivenUp(ulong chunk) => _abandoned.TryAt(chunk, out _);

    public IEnumerable<ByteRange> MetadataIn(IImageFile file) =>
        ReferenceEquals(file, _files.Metadata ?? _files.Store) ? [new ByteRange(BitmapHeader.BitmapAt, (long)Header.BitmapBytes)] : [];

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        RefuseIfNotWritable();
        _failed = true;
        foreach (PlacedRun placed in runs)
        {
            Settle(placed);
        }
        foreach (ulong sector in _changed)
        {
            _overlay.WriteSector(sector, _owners, _mine);
        }
        _changed.Clear();
        _failed = false;
    }

    public void Flush()
    {
        RefuseIfNotWritable();
        _failed = true;
        (_files.Metadata ?? _files.Store).Flush();
        _failed = false;
    }

    public void Grow()
    {
        // The disk has the size that it was made with, and the store has room for all of it.
    }

    public CheckReport Check()
    {
        try
        {
            using BitmapOverlay now = new(_files, _options with { ReadOnly = true });
            bool same = now._owners.IsSame(_owners);
            return new CheckReport(same ? [] : ["the bitmaps changed since the store was opened"], [], now._committed);
        }
        catch (ImageFormatException e)
        {
            return new CheckReport([e.Message], [], 0);
        }
    }

    public void Dispose()
    {
        // The caller's files stay open; see FormatFiles.
    }

    private void Settle(PlacedRun placed)
    {
        if (placed.Place != PlaceOf(placed.Run.Chunk))
        {
            throw new InvalidOperationException($"chunk {placed.Run.Chunk} was never given the place at sector {placed.Place.Sector}");
        }
        for (ulong chunk = placed.Run.Chunk; chunk < placed.Run.End;)
        {
            Extent extent = Lookup(chunk, placed.Run.End - chunk);
            ulong count = extent.Run.Count;
            if (extent.Kind != ExtentKind.Overlay)
            {
                count = _pending.TryAt(chunk, out MapRun pending) ? Math.Min(count, pending.End - chunk) : throw new InvalidOperationException($"chunk {chunk} was never allocated");
                _pending.Remove(chunk, count);
                _owners.Fill(chunk, count, _mine);
                _committed += count;
                for (ulong sector = chunk / BitmapFile.SectorBits; sector <= (chunk + count - 1) / BitmapFile.SectorBits; sector++)
                {
                    _changed.Add(sector);
                }
            }
            chunk += count;
        }
    }

    /// <summary>The kernel tried places again that could not be written; whether in vain it tells next.</summary>
    private void Retake(ChunkRun run)
    {
        while (_abandoned.Total > 0 && _abandoned.TryTakeOut(ref run, out _))
        {
        }
    }

    private void AddPending(ChunkRun run)
    {
        for (ulong chunk = run.Chunk; chunk < run.End;)
        {
            bool any = _pending.TryAtOrAfter(chunk, out MapRun pending);
            if (any && pending.Key <= chunk)
            {
                chunk = pending.End;
                continue;
            }
            ulong count = (any ? Math.Min(run.End, pending.Key) : run.End) - chunk;
            _pending.Add(chunk, chunk, count);
            chunk += count;
        }
    }

    private Place PlaceOf(ulong chunk) => new(0, Header.SectorOf(chunk));

    private uint RequireOrder(BitmapFile level, ulong generation, uint below, IImageFile file)
    {
        BitmapHeader header = level.Header;
        if (header.Generation != generation || header.Below != below)
        {
            throw new ImageFormatException(file.Name, 0, $"generation {generation} over a layer with fingerprint {below:x8}", $"generation {header.Generation} over {header.Below:x8}");
        }
        if (header.VirtualSize != _options.VirtualSizeBytes || header.ChunkSectors != (_options.ChunkSectors ?? header.ChunkSectors))
        {
            throw new ImageFormatException(file.Name, 0, $"{_options.VirtualSizeBytes} bytes in chunks of {_options.ChunkSectors ?? header.ChunkSectors} sectors", $"{header.VirtualSize} and {header.ChunkSectors}");
        }
        return level.Fingerprint;
    }

    private void RefuseIfNotWritable()
    {
        if (_options.ReadOnly)
        {
            throw new InvalidOperationException($"{_files.Store.Name} is open read-only");
        }
        if (_failed)
        {
            throw new IOException($"{_files.Store.Name}: an earlier write failed; open the store again");
        }
    }
}
