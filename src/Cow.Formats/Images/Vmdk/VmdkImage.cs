// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vmdk;

/// <summary>An open VMDK image: a descriptor and extents.</summary>
internal sealed class VmdkImage : IGrantingImage
{
    private readonly VmdkLayout _layout;
    private readonly CachedFile _file;
    private readonly bool _writable;
    private readonly ulong _chunkBytes;
    private readonly WriteGuard _guard;

    /// <summary>Takes over what was opened; where it shall be written, says so in all of its files.</summary>
    /// <param name="source">The main file.</param>
    /// <param name="descriptor">The descriptor, or null for an extent that has none.</param>
    /// <param name="layout">The extents.</param>
    /// <param name="info">What it is.</param>
    /// <param name="options">Whether it shall be written, and what for.</param>
    /// <exception cref="ImageFormatException">It shall be written and cannot.</exception>
    public VmdkImage(ImageSource source, VmdkDescriptor? descriptor, VmdkLayout layout, ImageInfo info, ImageOpenOptions options)
    {
        _file = source.File;
        _guard = new WriteGuard(_file);
        _layout = layout;
        _writable = options.Writable;
        _chunkBytes = (ulong)layout.ChunkSectors * 512;
        Info = info;
        if (_writable)
        {
            Expect.That(info.ReadOnlyReason is null, _file, 0, "an image that can be written", info.ReadOnlyReason ?? "");
            foreach (VmdkExtent extent in layout.Extents)
            {
                extent.Judge(options.ForRepair);
            }
            options.BeforeWriting?.Invoke(info.Backing);
            foreach (VmdkExtent extent in layout.Extents)
            {
                extent.StartWriting();
            }
            if (!options.ForRepair)
            {
                descriptor!.ChangeContentId();
                _file.Flush();
            }
        }
    }

    public ImageInfo Info { get; }

    /// <summary>A place in one of several extents is only for chunks of that one, and the kernel does not know which those are.</summary>
    public bool Grants => _layout.Extents is [{ Store.Pool.Possible: true }];

    public Usage Usage
    {
        get
        {
            ulong placed = 0;
            long used = 0;
            long metadata = 0;
            foreach (VmdkExtent extent in _layout.Extents)
            {
                placed += extent.Store?.Placed ?? 0;
                // A sparse file may claim any length.
                used = Math.Min(used, long.MaxValue - extent.UsedBytes) + extent.UsedBytes;
                metadata += extent.MetadataBytes;
            }
            return new Usage(placed, used, metadata, long.MaxValue);
        }
    }

    public ImageExtent Lookup(ulong offset, ulong length)
    {
        VmdkExtent extent = _layout.At(offset, out ulong start);
        offset -= start;
        return extent.Lookup(offset, Math.Min(length, extent.Bytes - offset));
    }

    public void ReadPacked(ulong offset, Span<byte> data) => _layout.At(offset, out ulong start).ReadPacked(offset - start, data);

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        _guard.RefuseIfFailed();
        TailStore store = StoreOf(wanted.Chunk, out ulong first, out ulong count, out int file);
        PlacedChunks placed = store.Reserve(wanted.Chunk - first, Math.Min(wanted.Count, first + count - wanted.Chunk), out metadata);
        metadata = file == 0 ? metadata : default;
        return new PlacedRun(new ChunkRun(wanted.Chunk, placed.Count), new Place(file, (ulong)placed.Offset / 512));
    }

    public void Adopt(PlacedRun run)
    {
        _guard.RefuseIfFailed();
        bool onDisk = run.IsInside((Info.VirtualBytes + _chunkBytes - 1) / _chunkBytes);
        Expect.That(onDisk && run.Place.Sector <= uint.MaxValue, _file, 0, "a place in this image for a chunk of its disk", $"{run.Run.Count} chunks from {run.Run.Chunk} on at {run.Place}");
        VmdkExtent extent = _layout.At(run.Run.Chunk * _chunkBytes, out _);
        if (extent.Store is null && IsWhereItReads(run))
        {
            return;
        }
        TailStore store = StoreOf(run.Run.Chunk, out ulong first, out ulong count, out int file);
        Expect.That(file == run.Place.Device && run.Run.End <= first + count, _file, 0, "a place in the file of the chunk's extent", $"{run.Place}");
        store.Adopt(ToLocal(run, first));
    }

    public void Abandon(ChunkRun run) => StoreOf(run.Chunk, out ulong first, out _, out _).Abandon(run.Chunk - first, run.Count);

    public PlaceGrant ReservePool(ulong count)
    {
        _guard.RefuseIfFailed();
        return Pool.Reserve(count);
    }

    public void AdoptPool(PlaceGrant grant)
    {
        _guard.RefuseIfFailed();
        Pool.Adopt(grant);
    }

    public ulong Take(PlacedRun run)
    {
        _guard.RefuseIfFailed();
        return Pool.Take(run);
    }

    public void Release(PlaceGrant grant) => Pool.Release(grant);

    public IEnumerable<ByteRange> MetadataIn(IImageFile file) =>
        _layout.Extents.Where(extent => extent.Store is not null && ReferenceEquals(Info.Files[extent.FileIndex], file)).SelectMany(static extent => extent.Metadata);

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        if (runs.IsEmpty)
        {
            return;
        }
        _guard.BeginChange();
        foreach (PlacedRun run in runs)
        {
            StoreOf(run.Run.Chunk, out ulong first, out _, out _).Prepare(ToLocal(run, first));
        }
        ForEachStore(store => store.WriteNewTables());
        foreach (PlacedRun run in runs)
        {
            StoreOf(run.Run.Chunk, out ulong first, out _, out _).Publish(ToLocal(run, first));
        }
        ForEachStore(store => store.PublishNewTables());
        _guard.EndChange();
    }

    public void Flush()
    {
        _guard.BeginChange();
        ForEachStore(store => store.Flush());
        _guard.EndChange();
    }

    public bool TryZero(ChunkRun run)
    {
        _guard.BeginChange();
        VmdkExtent extent = _layout.At(run.Chunk * _chunkBytes, out ulong start);
        ulong first = start / _chunkBytes;
        bool zeroed = run.End <= first + ChunksOf(extent) && extent.TryZero(run.Chunk - first, run.Count, Info.Backing is not null);
        _guard.EndChange();
        return zeroed;
    }

    public void Grow()
    {
    }

    public CheckReport Check()
    {
        TableCheck check = new();
        foreach (VmdkExtent extent in _layout.Extents)
        {
            try
            {
                extent.Check(check);
            }
            catch (ImageFormatException e)
            {
                check.Errors.Add(e.Message);
            }
        }
        return check.Report();
    }

    public void Close()
    {
        _guard.BeginChange();
        foreach (VmdkExtent extent in _layout.Extents)
        {
            extent.StopWriting();
        }
        _guard.EndChange();
    }

    public void Dispose()
    {
    }

    private TailPool Pool => StoreOf(0, out _, out _, out _).Pool;

    private static PlacedChunks ToLocal(PlacedRun run, ulong first) => new(run.Run.Chunk - first, run.Run.Count, (long)run.Place.Sector * 512);

    private ulong ChunksOf(VmdkExtent extent) => (extent.Bytes + _chunkBytes - 1) / _chunkBytes;

    /// <summary>Whether chunks that are always placed are at the place that somebody gives for them.</summary>
    private bool IsWhereItReads(PlacedRun run)
    {
        ulong offset = run.Run.Chunk * _chunkBytes;
        ImageExtent extent = Lookup(offset, Math.Min(run.Run.Count * _chunkBytes, Info.VirtualBytes - offset));
        return extent.Kind == ImageExtentKind.Data && extent.File == run.Place.Device && extent.Offset == (long)run.Place.Sector * 512;
    }

    /// <summary>What places a chunk.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="first">First chunk of its extent.</param>
    /// <param name="count">Chunks of its extent.</param>
    /// <param name="file">Number of the extent's file.</param>
    private TailStore StoreOf(ulong chunk, out ulong first, out ulong count, out int file)
    {
        VmdkExtent extent = _layout.At(chunk * _chunkBytes, out ulong start);
        first = start / _chunkBytes;
        count = ChunksOf(extent);
        file = extent.FileIndex;
        return extent.Store ?? throw new InvalidOperationException(_writable ? "this part of the disk is placed throughout" : "the VMDK image is open read-only");
    }

    private void ForEachStore(Action<TailStore> action)
    {
        foreach (VmdkExtent extent in _layout.Extents)
        {
            if (extent.Store is { } store)
            {
                action(store);
            }
        }
    }
}
