// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>A VHDX: blocks, found through a table; over a parent a block may be there in parts, with a bitmap of its sectors.</summary>
/// <remarks>
/// <para>A chunk is smaller than a block: 64 KiB, or 4 KiB over a parent. The first chunk of a block reserves the block, in memory. When one of its
/// chunks is committed the table names the block as a whole: over a parent as partial, with the bits of what was committed; else as full, so the rest
/// of it must be zeros already. Therefore blocks are placed only where the file had not been when it was opened, behind its end. On a device
/// nobody knows what is there: a chunk is a whole block then, written throughout.</para>
/// <para>Order of writes of a commit, after the flush of the data by the caller: the file's new length; then <see cref="VhdxLogWriter"/> changes the pages
/// of table and bitmaps. New ids are in the headers, durably, when opening for writing returns; so is what the log had to say.</para>
/// <para>Opened read-only, nothing is written: what the log has to say is laid over the metadata in memory. A log that changes payload, which nobody
/// writes, is refused then.</para>
/// </remarks>
internal sealed partial class VhdxImage : IDiskImage
{
    private const int Sector = 512;
    private const uint ChunkBytes = 64 << 10;
    private const uint ChildChunkBytes = 4 << 10;

    private readonly CachedFile _file;
    private readonly VhdxMedium _medium;
    private readonly VhdxHeaders _headers;
    private readonly VhdxMetadata _metadata;
    private readonly VhdxRegions _regions;
    private readonly VhdxTable _table;
    private readonly bool _writable;
    private readonly byte[] _bitmap = new byte[MetadataCache.PageBytes];

    /// <summary>Byte offset of the bits that were asked for last and are not in a hole of the file.</summary>
    private long _seenBits;
    private readonly SeenPlaces _bitmaps;

    public VhdxImage(ImageSource source, VhdxParts parts, ImageOpenOptions options)
    {
        _file = source.File;
        _writable = options.Writable;
        _headers = parts.Headers;
        string identity = _headers.Current.DataWriteId.ToString("D");
        if (_writable)
        {
            _space = parts.ReadSpace();
            options.BeforeWriting?.Invoke(parts.Metadata.Parent);
            parts = PrepareToWrite(parts, options.ForRepair);
        }
        else if (parts.Replay is { } replay)
        {
            RefusePayload(parts, replay);
        }
        (_medium, _metadata, _regions, _table) = (parts.Medium, parts.Metadata, parts.Regions, parts.Table);
        _bitmaps = new SeenPlaces(VhdxFormat.BitmapBlockBytes);
        uint chunk = Math.Min(_metadata.HasParent ? ChildChunkBytes : ChunkBytes, _metadata.BlockBytes);
        Info = new ImageInfo(
            VhdxDriver.FormatName, _metadata.VirtualBytes, (_file.CanGrow ? chunk : _metadata.BlockBytes) / Sector, [_file], [source.Path], _metadata.Parent, identity, Facts());
    }

    public ImageInfo Info { get; }

    public Usage Usage
    {
        get
        {
            long used = Math.Max(_regions.End, _space?.End ?? _file.Length);
            return new Usage(_placedChunks, used, _regions.End, _file.CanGrow ? long.MaxValue : _file.Length);
        }
    }

    public ImageExtent Lookup(ulong offset, ulong length)
    {
        length = Math.Min(length, _metadata.VirtualBytes - offset);
        ulong block = offset / _table.BlockBytes;
        ulong within = offset % _table.BlockBytes;
        VhdxEntry entry = _table.Entry(block);
        if (!entry.HasPlace)
        {
            ulong equal = (_table.CountEqual(block) * _table.BlockBytes) - within;
            return new ImageExtent(Math.Min(length, equal), entry.State == VhdxState.NotPresent ? ImageExtentKind.Below : ImageExtentKind.Zero);
        }
        length = Math.Min(length, _table.BlockBytes - within);
        if (entry.State == VhdxState.Partial)
        {
            bool present = false;
            if (!IsEmpty(block))
            {
                RequireOwn(block);
                length = Run(block, offset, length, out present);
            }
            if (!present)
            {
                return new ImageExtent(length, ImageExtentKind.Below);
            }
        }
        return new ImageExtent(length, ImageExtentKind.Data, 0, entry.Offset + (long)within);
    }

    public void ReadPacked(ulong offset, Span<byte> data) => throw new NotSupportedException("a VHDX keeps every sector as it is");

    public CheckReport Check() => new VhdxCheck(_file).Run(Info.ChunkSectors, _writable);

    public void Dispose()
    {
        // The files are the caller's.
    }

    /// <summary>Whether the bits of a partial block need no reading, as none is set. Who goes through a block asks once.</summary>
    private bool IsEmpty(ulong block)
    {
        long bits = _table.BitsAt(block);
        if (bits != _seenBits && _medium.IsZeros(bits, _table.BitsBytes))
        {
            return true;
        }
        _seenBits = bits;
        return false;
    }

    private void RequireOwn(ulong block)
    {
        long bitmap = _table.RequiredBitmap(block);
        if (!_writable && !_bitmaps.IsOwn(bitmap, block / _table.Ratio))
        {
            throw new ImageFormatException(_file.Name, bitmap, $"a sector bitmap of the blocks around block {block} alone", "that of others");
        }
    }

    /// <summary>How many bytes from an offset on are in the file throughout, or not at all, by the sector bitmap.</summary>
    private ulong Run(ulong block, ulong offset, ulong length, out bool present)
    {
        ulong sectorBytes = _metadata.LogicalSectorBytes;
        ulong sector = offset / sectorBytes;
        int sectors = (int)(((offset + length - 1) / sectorBytes) - sector + 1);
        int run = RunOfBits(_table.RequiredBitmap(block), (int)(sector % VhdxFormat.BitmapBlockSectors), sectors, out present);
        return Math.Min(length, ((ulong)run * sectorBytes) - (offset % sectorBytes));
    }

    /// <summary>How many bits from one on are equal, up to a limit: those of a whole block, of which a table may have a great many.</summary>
    private int RunOfBits(long bitmap, int first, int limit, out bool set)
    {
        int run = 0;
        set = false;
        while (run < limit)
        {
            (int from, int bit) = ((first + run) / 8, (first + run) % 8);
            int count = Math.Min(_bitmap.Length - (from % _bitmap.Length), (bit + limit - run + 7) / 8);
            _medium.Read(_bitmap.AsSpan(0, count), bitmap + from);
            int most = Math.Min(limit - run, (count * 8) - bit);
            int more = SectorBits.Run(_bitmap, BitOrder.LeastSignificantFirst, bit, most, out bool next);
            if (run > 0 && next != set)
            {
                break;
            }
            set = next;
            run += more;
            if (more < most)
            {
                break;
            }
        }
        return run;
    }

    private static void RefusePayload(VhdxParts parts, VhdxReplay replay)
    {
        RangeSet metadata = VhdxFormat.NewSpace();
        parts.Regions.AddTo(metadata);
        if (replay.FirstOutside(metadata) < 0)
        {
            return;
        }
        // Only then is it worth it to look for all of them.
        AddBitmaps(parts.Table, metadata);
        long page = replay.FirstOutside(metadata);
        if (page >= 0)
        {
            throw new ImageFormatException(parts.Medium.Name, page, "a log that changes metadata only; open the image writable to play it back", "a payload page in the log");
        }
    }

    private static void AddBitmaps(VhdxTable table, RangeSet metadata)
    {
        for (ulong bitmap = 0; bitmap < table.Bitmaps; bitmap++)
        {
            long place = table.Bitmap(bitmap);
            if (place != 0)
            {
                metadata.TryAdd(place, VhdxFormat.BitmapBlockBytes);
            }
        }
    }

    private List<KeyValuePair<string, string>> Facts() =>
    [
        new("type", _metadata.HasParent ? "differencing" : _metadata.LeavesBlocksAllocated ? "fixed" : "dynamic"),
        new("block size", _metadata.BlockBytes.ToString(CultureInfo.InvariantCulture)),
        new("logical sector size", _metadata.LogicalSectorBytes.ToString(CultureInfo.InvariantCulture)),
        new("data write id", _headers.Current.DataWriteId.ToString("D")),
        new("log", _headers.Current.LogId == Guid.Empty ? "clean" : "played back in memory"),
    ];
}
