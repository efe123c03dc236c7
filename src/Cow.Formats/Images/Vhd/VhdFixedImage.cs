// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <summary>A fixed VHD: the disk, then the footer. Nothing is ever placed.</summary>
internal sealed class VhdFixedImage : IDiskImage
{
    private const uint ChunkSectors = 128;

    private readonly CachedFile _file;
    private readonly VhdFooters _footers;

    public VhdFixedImage(ImageSource source, VhdFooters footers, ImageOpenOptions options)
    {
        _file = source.File;
        _footers = footers;
        ulong bytes = VhdLayout.SizeOf(_file.Name, footers, options.SizeByGeometry);
        if (bytes > (ulong)footers.End)
        {
            throw new ImageFormatException(_file.Name, footers.At + 48, $"a disk that ends before the footer at {footers.End}", $"{bytes} bytes");
        }
        Info = new ImageInfo(VhdDriver.FormatName, bytes, ChunkSectors, [_file], [source.Path], Backing: null, footers.Footer.Id.ToString("D"), VhdFacts.Of(footers.Footer, blockBytes: null));
    }

    public ImageInfo Info { get; }

    public Usage Usage => new(PlacedChunks: 0, UsedBytes: _file.Length, MetadataBytes: VhdFooter.Bytes, CapacityBytes: _file.Length);

    private ulong Chunks => (Info.VirtualBytes + (ChunkSectors * 512) - 1) / (ChunkSectors * 512);

    public ImageExtent Lookup(ulong offset, ulong length) =>
        new(Math.Min(length, Info.VirtualBytes - offset), ImageExtentKind.Data, 0, (long)offset);

    public void ReadPacked(ulong offset, Span<byte> data) => throw new NotSupportedException("a VHD keeps every sector as it is");

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        metadata = default;
        return new PlacedRun(wanted, new Place(0, wanted.Chunk * ChunkSectors));
    }

    public void Adopt(PlacedRun run)
    {
        bool inside = run.Run.Chunk < Chunks && run.Run.Count <= Chunks - run.Run.Chunk;
        if (!inside || run.Place.Device != 0 || run.Place.Sector != run.Run.Chunk * ChunkSectors)
        {
            throw new ImageFormatException(_file.Name, _footers.At, "each chunk of a fixed disk at its own offset", $"chunk {run.Run.Chunk} adopted at sector {run.Place.Sector}");
        }
    }

    public void Abandon(ChunkRun run)
    {
        // There is no other place.
    }

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        // What a former process placed here, if anything, is where it always was.
    }

    public void Flush() => _file.Flush();

    public bool TryZero(ChunkRun run) => false;

    public void Grow()
    {
        // The disk has the size that it was made with.
    }

    public CheckReport Check() => new([], [], Chunks);

    public void Close() => _file.Flush();

    public void Dispose()
    {
        // The files are the caller's.
    }
}
