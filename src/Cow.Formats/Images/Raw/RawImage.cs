// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Raw;

/// <summary>The bytes of a file as a disk, read-only.</summary>
/// <remarks>Of a file that does not end with a sector the last one is packed, for no loop device reaches it; the rest of it is zeros.</remarks>
internal sealed class RawImage : IDiskImage
{
    private const uint SectorBytes = 512;

    private readonly CachedFile _file;
    private readonly ulong _wholeSectors;

    public RawImage(CachedFile file, string path)
    {
        _file = file;
        ulong length = (ulong)file.Length;
        if (length == 0)
        {
            throw new ImageFormatException(file.Name, 0, "a disk of at least a sector", "an empty file");
        }
        _wholeSectors = length / SectorBytes * SectorBytes;
        ulong bytes = _wholeSectors + (length > _wholeSectors ? SectorBytes : 0);
        Info = new ImageInfo("raw", bytes, ChunkSectors: 8, [file], [path], Backing: null, Identity: null, Facts: [])
        {
            ReadOnlyReason = "a raw image is not written through a format",
        };
    }

    public ImageInfo Info { get; }

    public Usage Usage => new(PlacedChunks: 0, UsedBytes: _file.Length, MetadataBytes: 0, CapacityBytes: _file.Length);

    public ImageExtent Lookup(ulong offset, ulong length) => offset < _wholeSectors
        ? new ImageExtent(Math.Min(length, _wholeSectors - offset), ImageExtentKind.Data, 0, (long)offset)
        : new ImageExtent(SectorBytes, ImageExtentKind.Packed);

    public void ReadPacked(ulong offset, Span<byte> data)
    {
        int present = (int)Math.Clamp(_file.Length - (long)offset, 0, data.Length);
        _file.Uncached.ReadAt(data[..present], (long)offset);
        data[present..].Clear();
    }

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata) => throw ReadOnly();

    public void Adopt(PlacedRun run) => throw ReadOnly();

    public void Abandon(ChunkRun run) => throw ReadOnly();

    public void Commit(ReadOnlySpan<PlacedRun> runs) => throw ReadOnly();

    public void Flush()
    {
    }

    public bool TryZero(ChunkRun run) => false;

    public void Grow()
    {
    }

    public CheckReport Check() => new([], [], 0);

    public void Close()
    {
    }

    public void Dispose()
    {
    }

    private static InvalidOperationException ReadOnly() => new("a raw image is read-only");
}
