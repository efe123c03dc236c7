// SPDX-License-Identifier: MIT
using System.Numerics;
using Cow.Formats.Io;

namespace Cow.Formats.Images;

/// <summary>
/// An image and what it is backed by as one store: flat, so that a chunk's source is found once, whatever the depth.
/// </summary>
/// <remarks>The devices of the store are the top image's <see cref="ImageInfo.Files"/> (<see cref="ExtentKind.Overlay"/> and
/// <see cref="ExtentKind.Shared"/>) and, counted through from the image below it downwards, those of the others (<see cref="ExtentKind.Layer"/>).
/// <see cref="ExtentKind.Base"/> never occurs. What lies behind the end of a shorter backing image reads as zeros.
/// Places are reserved ahead by a top image that can (<see cref="IGrantingImage"/>): all of a chunk's sectors come to lie at its place, whatever it
/// read from before, so those below need not be asked.</remarks>
public sealed class ImageChain : IGrantingFormat
{
    /// <summary>Extents that one answer joins at most: a long answer saves questions, an endless one would walk the whole map.</summary>
    private const int MostJoined = 256;

    /// <summary>Bytes of the disk that an image is asked about although one above it has but a part of them: where that has extents of 512 bytes, all
    /// images would be asked for each. So few that no answer takes long.</summary>
    private const ulong Ahead = 256 << 10;

    private readonly IDiskImage _top;
    private readonly IGrantingImage? _granting;
    private readonly IDiskImage[] _images;
    private readonly int[] _firstLayer;
    private readonly ulong[] _ends;

    // Of each image what it answered last. It may have looked at many tables for that, or the extents above it be small, and is not asked again for
    // each of them. Only the top one changes.
    private readonly FoundExtent[] _found;

    // Of the images those that must be asked about the disk from _emptyFrom to _emptyEnd, the others having nothing there: _next[0] is the first of them,
    // _next[i + 1] the one behind image i.
    private readonly int[] _next;
    private ulong _emptyFrom;
    private ulong _emptyEnd;

    // Bytes of each image's files. None of one that is written: its files hold all that it names.
    private readonly long[]?[] _lengths;
    private readonly bool _writable;
    private readonly ulong _chunkBytes;
    private readonly int _chunkBits;
    private readonly ulong _bytes;

    /// <summary>Takes over opened images.</summary>
    /// <param name="images">The top one first, then what each is backed by. Disposed with the chain.</param>
    /// <param name="writable">Whether the top one was opened writable.</param>
    public ImageChain(IReadOnlyList<IDiskImage> images, bool writable)
    {
        ArgumentNullException.ThrowIfNull(images);
        _images = [.. images];
        _top = _images[0];
        _writable = writable;
        _lengths = [.. _images.Select((image, level) => writable && level == 0 ? null : LengthsOf(image))];
        _granting = writable && _top is IGrantingImage { Grants: true } granting ? granting : null;
        _ends = [.. _images.Select(static image => image.Info.VirtualBytes)];
        _found = new FoundExtent[_images.Length];
        _next = new int[_images.Length + 1];
        _bytes = _ends[0];
        _chunkBytes = (ulong)_top.Info.ChunkSectors * 512;
        _chunkBits = BitOperations.Log2(_chunkBytes);
        _firstLayer = new int[_images.Length];
        List<IImageFile> layers = [];
        List<string> paths = [];
        for (int i = 1; i < _images.Length; i++)
        {
            _firstLayer[i] = layers.Count;
            layers.AddRange(_images[i].Info.Files);
            paths.AddRange(_images[i].Info.Paths);
        }
        Layers = layers;
        LayerPaths = paths;
        Info = new FormatInfo(_top.Info.Format, _bytes, _top.Info.ChunkSectors, layers.Count);
    }

    /// <summary>The images, the top one first. What changes its map goes through the chain.</summary>
    public IReadOnlyList<IDiskImage> Images => _images;

    /// <summary>Files of the images below the top one, in the order of the layers' device numbers.</summary>
    public IReadOnlyList<IImageFile> Layers { get; }

    /// <summary>Their paths.</summary>
    public IReadOnlyList<string> LayerPaths { get; }

    /// <inheritdoc/>
    public FormatInfo Info { get; }

    /// <inheritdoc/>
    public Usage Usage => _top.Usage;

    /// <inheritdoc/>
    public bool Grants => _granting is not null;

    /// <summary>What holds a part of the disk: the first image from the top that has anything there.</summary>
    /// <param name="offset">Byte offset on the disk; a multiple of 512, inside the disk.</param>
    /// <param name="length">Bytes of interest; a multiple of 512.</param>
    /// <param name="level">Its position in <see cref="Images"/>; where nothing has it (zeros), the number of images.</param>
    public ImageExtent Find(ulong offset, ulong length, out int level)
    {
        length = Math.Min(length, _bytes - offset);
        if (_images.Length == 1 && length > 0)
        {
            return FindInOne(offset, length, out level);
        }
        ulong ahead = Math.Min(length, Ahead);
        if (offset < _emptyFrom || offset >= _emptyEnd)
        {
            AskAll();
        }
        length = Math.Min(length, _emptyEnd - offset);
        for (int before = 0; (level = _next[before]) < _images.Length && offset < _ends[level];)
        {
            length = Math.Min(length, _ends[level] - offset);
            FoundExtent found = FindIn(level, offset, Math.Min(Math.Max(length, ahead), _ends[level] - offset));
            ImageExtent extent = found.From(offset, length);
            if (extent.Kind != ImageExtentKind.Below)
            {
                return extent;
            }
            length = extent.Length;
            before = LeavesOut(before, level, offset, found.End) ? before : level + 1;
        }
        level = _images.Length;
        return new ImageExtent(length, ImageExtentKind.Zero);
    }

    /// <inheritdoc/>
    public Extent Lookup(ulong chunk, ulong limit)
    {
        ArgumentOutOfRangeException.ThrowIfZero(limit);
        ulong start = checked(chunk * _chunkBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(start, _bytes);
        ulong most = limit > (_bytes - start) >> _chunkBits ? _bytes - start : limit << _chunkBits;
        ulong first = Math.Min(most, _chunkBytes);

        ImageExtent head = Find(start, most, out int level);
        ulong joined = Join(start, most, head, level);
        if (head.Kind == ImageExtentKind.Data && _lengths[level] is { } lengths)
        {
            EndWithFile(lengths[head.File], ref head, ref joined);
        }
        if (joined < first)
        {
            return new Extent(new ChunkRun(chunk, 1), ExtentKind.Opaque, default);
        }
        ulong chunks = joined == most ? (joined + _chunkBytes - 1) >> _chunkBits : joined >> _chunkBits;
        return ToExtent(chunk, chunks, head, level);
    }

    /// <inheritdoc/>
    public void Read(ulong chunk, Span<byte> data) => ReadAt(chunk * _chunkBytes, data);

    /// <summary>Reads any part of the disk, as committed.</summary>
    /// <param name="offset">Byte offset; a multiple of 512.</param>
    /// <param name="data">Bytes to fill; a multiple of 512, inside the disk.</param>
    public void ReadAt(ulong offset, Span<byte> data)
    {
        while (!data.IsEmpty)
        {
            ImageExtent extent = Find(offset, (ulong)data.Length, out int level);
            Span<byte> part = data[..(int)extent.Length];
            switch (extent.Kind)
            {
                case ImageExtentKind.Data or ImageExtentKind.Shared:
                    ReadFile(_images[level].Info.Files[extent.File], extent.Offset, part);
                    break;
                case ImageExtentKind.Packed:
                    _images[level].ReadPacked(offset, part);
                    break;
                default:
                    part.Clear();
                    break;
            }
            data = data[part.Length..];
            offset += extent.Length;
        }
    }

    /// <inheritdoc/>
    public Allocation Allocate(ChunkRun wanted)
    {
        RefuseIfReadOnly();
        Extent now = Lookup(wanted.Chunk, wanted.Count);
        ChunkRun run = now.Run with { Count = Math.Min(now.Run.Count, wanted.Count) };
        if (now.Kind == ExtentKind.Overlay)
        {
            return new Allocation(new PlacedRun(run, now.Place), Fill.None, default, default);
        }
        PlacedRun placed = _top.Reserve(run, out ByteRange metadata);
        return new Allocation(placed, Fill.Copy, now with { Run = placed.Run }, metadata);
    }

    /// <inheritdoc/>
    public void Adopt(PlacedRun run)
    {
        RefuseIfReadOnly();
        _top.Adopt(run);
    }

    /// <inheritdoc/>
    public void Abandon(ChunkRun run) => _top.Abandon(run);

    /// <inheritdoc/>
    public bool IsGivenUp(ulong chunk) => _top.IsGivenUp(chunk);

    /// <inheritdoc/>
    public PlaceGrant Reserve(ulong count) => Granting.ReservePool(count);

    /// <inheritdoc/>
    public void AdoptGrant(PlaceGrant grant) => Granting.AdoptPool(grant);

    /// <inheritdoc/>
    public ulong Take(ReadOnlySpan<PlacedRun> runs)
    {
        ulong taken = 0;
        while (!runs.IsEmpty)
        {
            int joined = JoinFirst(runs, out PlacedRun run);
            taken += Granting.Take(run);
            runs = runs[joined..];
        }
        return taken;
    }

    /// <inheritdoc/>
    public void Release(PlaceGrant grant) => Granting.Release(grant);

    /// <inheritdoc/>
    public IEnumerable<ByteRange> MetadataIn(IImageFile file) => _top.MetadataIn(file);

    /// <inheritdoc/>
    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        RefuseIfReadOnly();
        ForgetTop();
        _top.Commit(runs);
    }

    /// <summary>See <see cref="IDiskImage.TryZero"/>, which a chain is not to be passed by with.</summary>
    public bool TryZero(ChunkRun run)
    {
        RefuseIfReadOnly();
        ForgetTop();
        return _top.TryZero(run);
    }

    /// <inheritdoc/>
    public void Flush() => _top.Flush();

    /// <inheritdoc/>
    public void Grow()
    {
        ForgetTop();
        _top.Grow();
    }

    /// <inheritdoc/>
    public CheckReport Check() => _top.Check();

    /// <inheritdoc/>
    public void Close()
    {
        RefuseIfReadOnly();
        _top.Close();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDiskImage image in _images)
        {
            image.Dispose();
        }
    }

    private IGrantingImage Granting =>
        _granting ?? throw new InvalidOperationException($"places in this {_top.Info.Format} image are not reserved ahead");

    /// <summary>What an image has there: a longer extent than was asked for, where it said so last time.</summary>
    private FoundExtent FindIn(int level, ulong offset, ulong length)
    {
        ref FoundExtent found = ref _found[level];
        if (found.Covers(offset))
        {
            return found;
        }
        FoundExtent answer = new(offset, _images[level].Lookup(offset, length));
        // What the top one has of its own may change whenever it is written; that it has nothing, only by what goes through here.
        found = level == 0 && _writable && answer.Extent.Kind != ImageExtentKind.Below ? default : answer;
        return answer;
    }

    /// <summary>As <see cref="Find"/>, of an image by itself, the most common one: there is nothing to leave out, and nobody to ask ahead.</summary>
    private ImageExtent FindInOne(ulong offset, ulong length, out int level)
    {
        ImageExtent extent = _top.Lookup(offset, length);
        level = extent.Kind == ImageExtentKind.Below ? 1 : 0;
        return level == 0 ? extent : new ImageExtent(extent.Length, ImageExtentKind.Zero);
    }

    private void AskAll()
    {
        for (int i = 0; i < _next.Length; i++)
        {
            _next[i] = i;
        }
        (_emptyFrom, _emptyEnd) = (0, ulong.MaxValue);
    }

    /// <summary>Leaves out an image that has nothing, if that is worth it.</summary>
    private bool LeavesOut(int before, int level, ulong offset, ulong end)
    {
        bool worth = end - offset >= Ahead;
        if (worth)
        {
            _next[before] = _next[level + 1];
            (_emptyFrom, _emptyEnd) = (offset, Math.Min(_emptyEnd, end));
        }
        return worth;
    }

    /// <summary>The top image changes.</summary>
    private void ForgetTop()
    {
        _found[0] = default;
        AskAll();
    }

    /// <summary>The first runs as one, as far as they adjoin: a stream takes the places of a pool in their order.</summary>
    /// <returns>How many of them.</returns>
    private int JoinFirst(ReadOnlySpan<PlacedRun> runs, out PlacedRun all)
    {
        all = runs[0];
        RequireOnDisk(all.Run);
        int joined = 1;
        for (; joined < runs.Length; joined++)
        {
            PlacedRun next = runs[joined];
            Place behind = all.Place with { Sector = all.Place.Sector + (all.Run.Count * (ulong)_top.Info.ChunkSectors) };
            if (next.Run.Chunk != all.Run.End || next.Place != behind)
            {
                break;
            }
            RequireOnDisk(next.Run);
            all = all with { Run = all.Run with { Count = all.Run.Count + next.Run.Count } };
        }
        return joined;
    }

    private static long[] LengthsOf(IDiskImage image) => [.. image.Info.Files.Select(static file => file.Length)];

    private void RequireOnDisk(ChunkRun run)
    {
        ulong chunks = (_bytes + _chunkBytes - 1) >> _chunkBits;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(run.Count, chunks);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(run.Chunk, chunks - run.Count);
    }

    /// <summary>How many bytes from <paramref name="start"/> on continue <paramref name="head"/> on the same device.</summary>
    private ulong Join(ulong start, ulong most, ImageExtent head, int level)
    {
        ulong joined = head.Length;
        for (int i = 0; i < MostJoined && joined < most && head.Kind != ImageExtentKind.Packed; i++)
        {
            ImageExtent next = Find(start + joined, most - joined, out int nextLevel);
            bool follows = head.Kind == ImageExtentKind.Zero || (next.File == head.File && next.Offset == head.Offset + (long)joined);
            if (nextLevel != level && !(head.Kind == ImageExtentKind.Zero && next.Kind == ImageExtentKind.Zero))
            {
                break;
            }
            if (next.Kind != head.Kind || !follows)
            {
                break;
            }
            joined += next.Length;
        }
        // A packed extent that fills a chunk is opaque all the same.
        return head.Kind == ImageExtentKind.Packed ? 0 : joined;
    }

    /// <summary>Cuts a run where its file ends, since the kernel maps no place that its device has not. A chunk that the end cuts is one in two pieces; a device
    /// has whole sectors.</summary>
    private void EndWithFile(long length, ref ImageExtent head, ref ulong joined)
    {
        ulong onDevice = (ulong)Math.Max(0, (length / 512 * 512) - head.Offset);
        if (head.Offset >= length)
        {
            head = new ImageExtent(joined, ImageExtentKind.Zero);
        }
        else if (onDevice < joined)
        {
            joined = onDevice >> _chunkBits << _chunkBits;
        }
    }

    private Extent ToExtent(ulong chunk, ulong chunks, ImageExtent head, int level)
    {
        ChunkRun run = new(chunk, chunks);
        if (head.Kind == ImageExtentKind.Zero)
        {
            return new Extent(run, ExtentKind.Zero, default);
        }
        ulong sector = (ulong)head.Offset / 512;
        return level == 0
            ? new Extent(run, head.Kind == ImageExtentKind.Shared ? ExtentKind.Shared : ExtentKind.Overlay, new Place(head.File, sector))
            : new Extent(run, ExtentKind.Layer, new Place(_firstLayer[level] + head.File, sector));
    }

    private static void ReadFile(IImageFile file, long offset, Span<byte> data)
    {
        IImageFile direct = file is CachedFile cached ? cached.Uncached : file;
        int present = (int)Math.Clamp(direct.Length - offset, 0, data.Length);
        if (present > 0)
        {
            direct.ReadAt(data[..present], offset);
        }
        data[present..].Clear();
    }

    private void RefuseIfReadOnly()
    {
        if (!_writable)
        {
            throw new InvalidOperationException($"the {_top.Info.Format} image is open read-only");
        }
    }

    /// <summary>An answer of an image.</summary>
    /// <param name="Start">Byte offset on the disk.</param>
    /// <param name="Extent">What is there.</param>
    private readonly record struct FoundExtent(ulong Start, ImageExtent Extent)
    {
        public ulong End => Start + Extent.Length;

        public bool Covers(ulong offset) => offset >= Start && offset - Start < Extent.Length;

        /// <summary>The part of it that begins at an offset which it covers.</summary>
        public ImageExtent From(ulong offset, ulong length)
        {
            ulong skip = offset - Start;
            bool inFile = Extent.Kind is ImageExtentKind.Data or ImageExtentKind.Shared;
            return Extent with { Length = Math.Min(Extent.Length - skip, length), Offset = inFile ? Extent.Offset + (long)skip : 0 };
        }
    }
}
