// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <summary>
/// A dynamic or differencing VHD: blocks, each with a bitmap of its sectors, found through a table.
/// </summary>
/// <remarks>
/// <para>A chunk is smaller than a block: 64 KiB, or 4 KiB over a parent. The first chunk of a block reserves the block, in memory. Its data goes
/// to its place in the block at once; nothing names it yet. Order of writes of a commit, after the flush of the data by the caller:</para>
/// <para>1. of each new block the whole bitmap, with bits for the committed chunks only, and the footer behind the last block; flush.</para>
/// <para>2. the table's entries of the new blocks, and the changed bitmap sectors of older ones; Flush by the caller. Neither needs the other.</para>
/// <para>So a block is named after its bitmap is whole, and a bit is set after its sectors are safe. The footer's copy at 0 is never written while the
/// image is open (if it is bad, opening writes it first), so one good footer is always where every reader looks.</para>
/// <para>QEMU ignores bitmaps and parents. Of a dynamic image it must read zeros where nothing was ever written, so blocks of such an image are placed
/// only where the file had not been when it was opened. On a device nobody knows what is there: a chunk is a whole block then, written
/// throughout.</para>
/// </remarks>
internal sealed partial class VhdImage : IDiskImage
{
    private const int Sector = 512;
    private const uint DynamicChunkBytes = 64 << 10;
    private const uint ChildChunkBytes = 4 << 10;

    private readonly CachedFile _file;
    private readonly VhdLayout _layout;
    private readonly VhdTable _table;
    private readonly VhdBatmap? _batmap;
    private readonly string? _batmapProblem;
    private readonly BitOrder _order;
    private readonly byte[] _bitmap = new byte[Sector];
    private readonly bool _writable;

    /// <summary>Byte offset of the bitmap that was asked for last and is not in a hole of the file.</summary>
    private long _seenBitmap;
    private readonly SeenPlaces _blocks;

    public VhdImage(ImageSource source, VhdLayout layout, ImageOpenOptions options)
    {
        _file = source.File;
        _layout = layout;
        _writable = options.Writable;
        _order = layout.Footers.Footer.BitOrder;
        _batmap = VhdBatmap.Read(_file, layout, out _batmapProblem);
        _table = new VhdTable(_file, layout);
        VhdFooter footer = layout.Footers.Footer;
        BackingReference? backing = footer.Type == VhdType.Differencing ? VhdParentNames.Read(_file, layout.Header) : null;
        Info = new ImageInfo(
            VhdDriver.FormatName, layout.VirtualBytes, ChunkBytes(layout, _file) / Sector, [_file], [source.Path], backing, footer.Id.ToString("D"), VhdFacts.Of(footer, layout.BlockBytes));
        _blocks = new SeenPlaces(SpanBytes);
        _space = new VhdSpace(SpanBytes);
        if (_writable)
        {
            options.BeforeWriting?.Invoke(backing);
            PrepareToWrite();
        }
    }

    public ImageInfo Info { get; }

    public Usage Usage
    {
        get
        {
            long used = Math.Max(_space.End, _layout.MetadataEnd) + VhdFooter.Bytes;
            return new Usage(_placedChunks, used, _layout.MetadataEnd + VhdFooter.Bytes, _file.CanGrow ? long.MaxValue : _file.Length);
        }
    }

    /// <summary>Bytes of a block with its bitmap.</summary>
    private long SpanBytes => _layout.BitmapBytes + (long)_layout.BlockBytes;

    private bool IsChild => _layout.Footers.Footer.Type == VhdType.Differencing;

    private ulong ChunksPerBlock => _layout.BlockBytes / Sector / Info.ChunkSectors;

    public ImageExtent Lookup(ulong offset, ulong length)
    {
        length = Math.Min(length, _layout.VirtualBytes - offset);
        ulong block = offset / _layout.BlockBytes;
        ulong within = offset % _layout.BlockBytes;
        if (!_table.TryPlace(block, out long place))
        {
            ulong absent = ((ulong)_table.CountAbsent(block) * _layout.BlockBytes) - within;
            return new ImageExtent(Math.Min(length, absent), ImageExtentKind.Below);
        }
        length = Math.Min(length, _layout.BlockBytes - within);
        long data = place + _layout.BitmapBytes + (long)within;
        if (_batmap is not null && _batmap.IsFull(block))
        {
            return new ImageExtent(length, ImageExtentKind.Data, 0, data);
        }
        if (IsEmpty(place))
        {
            return new ImageExtent(length, ImageExtentKind.Below);
        }
        if (!_writable && !_blocks.IsOwn(place, block))
        {
            throw new ImageFormatException(_file.Name, place, $"block {block} apart from all others", "another block");
        }
        length = (ulong)Run(place, within / Sector, length / Sector, out bool present) * Sector;
        return present ? new ImageExtent(length, ImageExtentKind.Data, 0, data) : new ImageExtent(length, ImageExtentKind.Below);
    }

    public void ReadPacked(ulong offset, Span<byte> data) => throw new NotSupportedException("a VHD keeps every sector as it is");

    public CheckReport Check() => new VhdCheck(_file, _layout, _batmapProblem).Run(Info.ChunkSectors, _writable);

    public void Dispose()
    {
        // The files are the caller's.
    }

    /// <summary>The unit of placing.</summary>
    private static uint ChunkBytes(VhdLayout layout, CachedFile file)
    {
        if (layout.Footers.Footer.Type == VhdType.Differencing)
        {
            return ChildChunkBytes;
        }
        return file.CanGrow ? Math.Min(DynamicChunkBytes, layout.BlockBytes) : layout.BlockBytes;
    }

    /// <summary>Whether the bitmap of a block is in a hole of the file, so that nothing of the block is there. Who goes through a block asks once.</summary>
    private bool IsEmpty(long place)
    {
        if (place != _seenBitmap && _file.IsHole(place, _layout.BitmapBytes))
        {
            return true;
        }
        _seenBitmap = place;
        return false;
    }

    /// <summary>How many sectors of a block have equal bits; looks no further than a sector of the bitmap.</summary>
    /// <param name="place">Byte offset of the bitmap.</param>
    /// <param name="sector">First sector, in the block.</param>
    /// <param name="limit">Sectors of interest.</param>
    /// <param name="present">Whether they are present here.</param>
    private int Run(long place, ulong sector, ulong limit, out bool present)
    {
        const int Bits = Sector * 8;
        int first = (int)(sector % Bits);
        _file.ReadAt(_bitmap, place + ((long)(sector / Bits) * Sector));
        return SectorBits.Run(_bitmap, _order, first, (int)Math.Min(limit, (ulong)(Bits - first)), out present);
    }
}
