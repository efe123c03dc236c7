// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <summary>Judges a dynamic or differencing VHD as it is on disk: checksums, places of blocks against the file and against each other, batmap.</summary>
internal sealed class VhdCheck(CachedFile file, VhdLayout opened, string? batmapProblem)
{
    /// <summary>Sentences at most: a hostile table could ask for millions.</summary>
    private const int MostSentences = 1000;

    private readonly List<string> _errors = [];
    private readonly List<string> _leaks = [];
    private ulong _chunks;

    /// <summary>Checks the image.</summary>
    /// <param name="chunkSectors">Sectors of a chunk, for counting.</param>
    /// <param name="inUse">It is open writable: the footer need not be at the end, and what lies there may be reserved.</param>
    public CheckReport Run(uint chunkSectors, bool inUse)
    {
        try
        {
            VhdFooters footers = VhdFooters.Find(file);
            CheckFooters(footers, inUse);
            VhdLayout layout = VhdLayout.Read(file, footers, sizeByGeometry: false);
            VhdBatmap? batmap = VhdBatmap.Read(file, layout, out string? problem);
            if ((problem ?? batmapProblem) is { } sentence)
            {
                _errors.Add(sentence);
            }
            CheckBlocks(layout, footers, batmap, chunkSectors, inUse);
        }
        catch (ImageFormatException e)
        {
            _errors.Add(e.Message);
        }
        return new CheckReport(_errors, _leaks, _chunks);
    }

    private void CheckFooters(VhdFooters footers, bool inUse)
    {
        if (footers.Footer.Type != opened.Footers.Footer.Type)
        {
            _errors.Add("the footer changed since the image was opened");
        }
        if (!footers.CopyGood)
        {
            _errors.Add("the footer's copy at byte 0 is damaged: QEMU would not open the image, and nobody after a crash");
        }
        if (footers.End >= 0)
        {
            return;
        }
        Span<byte> cookie = stackalloc byte[8];
        long end = file.Length - VhdFooter.Bytes;
        file.ReadAt(cookie, end);
        if (VhdFooter.HasCookie(cookie))
        {
            _errors.Add($"the footer at byte {end} is damaged");
        }
        else if (!inUse)
        {
            _leaks.Add($"the file does not end with its footer: it was not closed, and what lies behind the last block is lost");
        }
    }

    private void CheckBlocks(VhdLayout layout, VhdFooters footers, VhdBatmap? batmap, uint chunkSectors, bool inUse)
    {
        VhdTable table = new(file, layout);
        long span = layout.BitmapBytes + (long)layout.BlockBytes;
        VhdSpace space = new(span);
        long end = footers.End >= 0 ? footers.End : file.Length;
        List<ulong> places = [];
        List<ulong> blocks = [];
        for (ulong block = 0; block < layout.Blocks && _errors.Count < MostSentences; block++)
        {
            if (!TryPlace(table, block, out long place))
            {
                Require(!IsFull(batmap, block), () => $"the batmap calls block {block} full, which has no place");
                continue;
            }
            if (space.TryAdd(place, out long other))
            {
                places.Add((ulong)place);
                blocks.Add(block);
            }
            else
            {
                _errors.Add($"block {block} at byte {place} lies over the one at {other}");
            }
            Require(place + span <= end, () => $"block {block} at byte {place} reaches beyond byte {end}, where {(footers.End >= 0 ? "the footer is" : "the file ends")}");
        }
        Ascending.Sort(places, blocks);
        CheckBitmaps(layout, batmap, places, blocks, chunkSectors);
        if (!inUse && file.CanGrow)
        {
            CheckUnused(layout, table, space, footers.End, end);
        }
    }

    /// <summary>Finds what belongs to no block. Those that the table names behind the end of the disk are kept by who writes.</summary>
    private void CheckUnused(VhdLayout layout, VhdTable table, VhdSpace space, long footerAt, long end)
    {
        long span = layout.BitmapBytes + (long)layout.BlockBytes;
        foreach (long place in table.PlacesBehindTheDisk())
        {
            if (place + span <= end && table.Problem(place) is null)
            {
                space.TryAdd(place, out _);
            }
        }
        long usedEnd = Math.Max(Math.Max(space.End, layout.MetadataEnd), table.EndOfBlocksBehindTheDisk(end));
        long unused = space.Unused(layout.MetadataEnd) + (footerAt >= 0 ? Math.Max(0, footerAt - usedEnd) : 0);
        if (unused >= span)
        {
            _leaks.Add($"{unused} bytes in the file belong to no block");
        }
    }

    /// <summary>Counts what blocks have that lie beside each other, in the order of the file: of bitmaps in one hole, where nothing is, none is read.</summary>
    private void CheckBitmaps(VhdLayout layout, VhdBatmap? batmap, List<ulong> places, List<ulong> blocks, uint chunkSectors)
    {
        byte[] bitmap = new byte[layout.BitmapBytes];
        for (int i = 0; i < places.Count && _errors.Count < MostSentences; i++)
        {
            bool full = IsFull(batmap, blocks[i]);
            if (full || !file.IsHole((long)places[i], bitmap.Length))
            {
                file.ReadAt(bitmap, (long)places[i]);
                CountChunks(layout, blocks[i], bitmap, full, chunkSectors);
            }
        }
    }

    private static bool IsFull(VhdBatmap? batmap, ulong block) => batmap is not null && batmap.IsFull(block);

    private bool TryPlace(VhdTable table, ulong block, out long place)
    {
        try
        {
            return table.TryPlace(block, out place);
        }
        catch (ImageFormatException e)
        {
            _errors.Add(e.Message);
            place = 0;
            return false;
        }
    }

    private void CountChunks(VhdLayout layout, ulong block, byte[] bitmap, bool full, uint chunkSectors)
    {
        BitOrder order = layout.Footers.Footer.BitOrder;
        uint blockSectors = layout.BlockBytes / 512;
        int sectors = (int)Math.Min(blockSectors, (layout.VirtualBytes / 512) - (block * blockSectors));
        for (int at = 0; at < sectors;)
        {
            int run = SectorBits.Run(bitmap, order, at, sectors - at, out bool set);
            Require(set || !full, () => $"the batmap calls block {block} full, whose bitmap lacks sector {at}");
            int firstChunk = (int)((at + chunkSectors - 1) / chunkSectors);
            int endChunk = at + run == sectors ? (int)((sectors + chunkSectors - 1) / chunkSectors) : (int)((at + run) / chunkSectors);
            _chunks += set ? (ulong)Math.Max(0, endChunk - firstChunk) : 0;
            at += run;
        }
    }

    private void Require(bool good, Func<string> sentence)
    {
        if (!good && _errors.Count < MostSentences)
        {
            _errors.Add(sentence());
        }
    }
}
