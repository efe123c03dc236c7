// SPDX-License-Identifier: MIT
using Cow.Formats;
using Cow.Formats.Images;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A disk of zeros, sector by sector, of which nobody sees the end.</summary>
internal sealed class EndlessImage : IDiskImage
{
    public ImageInfo Info { get; } = new("endless", 1UL << 60, 8, [new MemoryDisk("endless", 512)], ["endless"], null, null, []);

    public Usage Usage => default;

    public ImageExtent Lookup(ulong offset, ulong length) => new(512, ImageExtentKind.Zero);

    public void ReadPacked(ulong offset, Span<byte> data) => throw new NotSupportedException();

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata) => throw new NotSupportedException();

    public void Adopt(PlacedRun run) => throw new NotSupportedException();

    public void Abandon(ChunkRun run) => throw new NotSupportedException();

    public void Commit(ReadOnlySpan<PlacedRun> runs) => throw new NotSupportedException();

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
}
