// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>Judges a VHDX as it is on disk, its log taken into account.</summary>
internal sealed class VhdxCheck(CachedFile file)
{
    /// <summary>Sentences at most: a hostile table could ask for millions.</summary>
    private const int MostSentences = 1000;

    /// <summary>What QEMU leaves free behind the regions when it makes an image.</summary>
    private const long QemuRoom = 4 * VhdxFormat.Megabyte;

    private readonly List<string> _errors = [];
    private readonly List<string> _leaks = [];
    private readonly RangeSet _space = VhdxFormat.NewSpace();

    /// <summary>Numbers of sector bitmap blocks that lie over something else: what they say is not counted, since as many blocks may ask as there are.</summary>
    private readonly HashSet<ulong> _overlapping = [];
    private ulong _chunks;
    private long _firstBlock = long.MaxValue;

    /// <summary>Checks the image.</summary>
    /// <param name="chunkSectors">Sectors of a chunk, for counting.</param>
    /// <param name="inUse">It is open writable: what no block has may be reserved.</param>
    public CheckReport Run(uint chunkSectors, bool inUse)
    {
        try
        {
            VhdxParts parts = VhdxParts.Read(file);
            CheckCopies(parts);
            parts.Regions.AddTo(_space);
            CheckBitmaps(parts);
            for (ulong block = 0; block < parts.Table.Blocks && _errors.Count < MostSentences;)
            {
                ulong judged = 1;
                Try(() => judged = CheckBlocks(parts, block, chunkSectors));
                block += judged;
            }
            CheckUnused(parts, inUse);
        }
        catch (ImageFormatException e)
        {
            _errors.Add(e.Message);
        }
        return new CheckReport(_errors, _leaks, _chunks);
    }

    private void CheckCopies(VhdxParts parts)
    {
        if (!parts.Headers.BothGood)
        {
            // A crash may leave this, and opening for writing makes it good.
            _leaks.Add("one of the two headers is damaged: the next damage loses the image");
        }
        if (!parts.Regions.BothGood)
        {
            _errors.Add("the two copies of the region table are not good and equal");
        }
    }

    private void CheckBitmaps(VhdxParts parts)
    {
        VhdxTable table = parts.Table;
        for (ulong bitmap = 0; bitmap < table.Bitmaps && _errors.Count < MostSentences; bitmap++)
        {
            Try(() =>
            {
                long place = table.Bitmap(bitmap);
                if (place != 0 && !_space.TryAdd(place, VhdxFormat.BitmapBlockBytes))
                {
                    _overlapping.Add(bitmap);
                    _errors.Add($"sector bitmap block {bitmap} at byte {place} lies over something else");
                }
            });
        }
    }

    /// <summary>Judges a block, and those behind it that have no place either: of a large disk these are millions.</summary>
    /// <returns>How many.</returns>
    private ulong CheckBlocks(VhdxParts parts, ulong block, uint chunkSectors)
    {
        VhdxEntry entry = parts.Table.Entry(block);
        if (entry.HasPlace)
        {
            CheckPlace(parts, block, entry, chunkSectors);
            return 1;
        }
        return parts.Table.CountEqual(block);
    }

    private void CheckPlace(VhdxParts parts, ulong block, VhdxEntry entry, uint chunkSectors)
    {
        _firstBlock = Math.Min(_firstBlock, entry.Offset);
        if (!_space.TryAdd(entry.Offset, parts.Table.BlockBytes))
        {
            _errors.Add($"block {block} at byte {entry.Offset} lies over something else");
            return;
        }
        ulong bytes = Math.Min(parts.Table.BlockBytes, parts.Metadata.VirtualBytes - (block * parts.Table.BlockBytes));
        ulong chunkBytes = chunkSectors * 512UL;
        _chunks += entry.State == VhdxState.Full ? (bytes + chunkBytes - 1) / chunkBytes : CountPartial(parts, block, bytes, chunkBytes);
    }

    private ulong CountPartial(VhdxParts parts, ulong block, ulong bytes, ulong chunkBytes)
    {
        long bitsAt = parts.Table.BitsAt(block);
        if (_overlapping.Contains(block / parts.Table.Ratio) || parts.Medium.IsZeros(bitsAt, parts.Table.BitsBytes))
        {
            return 0;
        }
        uint sectorBytes = parts.Metadata.LogicalSectorBytes;
        byte[] bits = new byte[parts.Table.BitsBytes];
        parts.Medium.Read(bits, bitsAt);
        ulong chunks = 0;
        for (ulong at = 0; at < bytes; at += chunkBytes)
        {
            int sectors = (int)(Math.Min(chunkBytes, bytes - at) / sectorBytes);
            int run = SectorBits.Run(bits, BitOrder.LeastSignificantFirst, (int)(at / sectorBytes), sectors, out bool set);
            chunks += set && run == sectors ? 1UL : 0;
        }
        return chunks;
    }

    private void CheckUnused(VhdxParts parts, bool inUse)
    {
        long end = VhdxFormat.AlignUp(Math.Max(parts.Medium.Length, _space.End), VhdxFormat.Megabyte);
        long unused = 0;
        // A fixed image of QEMU has the room of its disk before any block, and a table that does not say so.
        long expected = parts.Metadata.LeavesBlocksAllocated ? long.MaxValue : BehindRegions(parts.Regions.End, end);
        for (long at = Math.Min(_firstBlock, expected); at < end;)
        {
            long hole = _space.Hole(at, end, out long length);
            // Where there is no room for a block nothing is lost.
            unused += length >= parts.Table.BlockBytes ? length : 0;
            at = hole + length;
        }
        if (unused > 0 && !inUse && file.CanGrow)
        {
            _leaks.Add($"{unused} bytes in the file belong to nothing");
        }
    }

    /// <summary>Where blocks may be expected: behind the room that QEMU left, where nothing is in it.</summary>
    private long BehindRegions(long regionsEnd, long end) =>
        end - regionsEnd >= QemuRoom && !_space.Overlaps(regionsEnd, QemuRoom) ? regionsEnd + QemuRoom : regionsEnd;

    private void Try(Action step)
    {
        try
        {
            step();
        }
        catch (ImageFormatException e)
        {
            _errors.Add(e.Message);
        }
    }
}
