// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>An image whose map is an array: an extent kind for each sector, and where it is.</summary>
internal sealed class StubImage : IDiskImage
{
    private readonly (ImageExtentKind Kind, long Offset)[] _map;
    private readonly int _table;

    /// <summary>Makes an image.</summary>
    /// <param name="map">Of each sector its kind and, for data, its byte offset in the file.</param>
    /// <param name="file">Where the data is; a packed sector is the one of the same number, inverted.</param>
    /// <param name="chunkSectors">Sectors in a chunk.</param>
    /// <param name="table">Sectors that an answer never reaches across, as tables bound it.</param>
    public StubImage((ImageExtentKind Kind, long Offset)[] map, CachedFile file, uint chunkSectors, int table)
    {
        (_map, _table) = (map, table);
        Info = new ImageInfo("stub", (ulong)map.Length * 512, chunkSectors, [file], [file.Name], null, null, []);
    }

    public ImageInfo Info { get; init; }

    public bool Disposed { get; private set; }

    public int Lookups { get; private set; }

    public Usage Usage => default;

    public ImageExtent Lookup(ulong offset, ulong length)
    {
        Lookups++;
        int sector = (int)(offset / 512);
        int most = Math.Min((int)(length / 512), _table - (sector % _table));
        int count = 1;
        while (count < most && Follows(sector, count))
        {
            count++;
        }
        return new ImageExtent((ulong)count * 512, _map[sector].Kind, 0, _map[sector].Offset);
    }

    public void ReadPacked(ulong offset, Span<byte> data)
    {
        ((CachedFile)Info.Files[0]).Uncached.ReadAt(data, (long)offset);
        foreach (ref byte b in data)
        {
            b ^= 0xff;
        }
    }

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

    public void Dispose() => Disposed = true;

    private bool Follows(int sector, int count)
    {
        (ImageExtentKind kind, long offset) = _map[sector + count];
        return kind == _map[sector].Kind && (kind is not (ImageExtentKind.Data or ImageExtentKind.Shared) || offset == _map[sector].Offset + (count * 512L));
    }
}
