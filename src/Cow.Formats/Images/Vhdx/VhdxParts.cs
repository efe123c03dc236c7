// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>The structures of an image, read and held against each other.</summary>
/// <param name="Headers">The pair of headers.</param>
/// <param name="Replay">What the log says, or null where nothing must be played back.</param>
/// <param name="Medium">The file with that.</param>
/// <param name="Regions">Where things are.</param>
/// <param name="Metadata">What the disk is.</param>
/// <param name="Table">Where its blocks are.</param>
internal sealed record VhdxParts(VhdxHeaders Headers, VhdxReplay? Replay, VhdxMedium Medium, VhdxRegions Regions, VhdxMetadata Metadata, VhdxTable Table)
{
    /// <summary>Reads them; writes nothing.</summary>
    /// <exception cref="ImageFormatException">Something is not what the format demands.</exception>
    public static VhdxParts Read(CachedFile file)
    {
        VhdxHeaders headers = VhdxHeaders.Read(file);
        VhdxReplay? replay = VhdxLogReader.Read(file, headers.Current);
        VhdxMedium medium = new(file, replay);
        VhdxRegions regions = VhdxRegions.Read(medium, headers.Current);
        VhdxMetadata metadata = VhdxMetadata.Read(medium, regions.Metadata);
        return new VhdxParts(headers, replay, medium, regions, metadata, new VhdxTable(medium, regions, metadata));
    }

    /// <summary>Reads the whole table: where all blocks are.</summary>
    /// <exception cref="ImageFormatException">Blocks lie over each other, or an entry is wrong.</exception>
    public RangeSet ReadSpace()
    {
        RangeSet space = VhdxFormat.NewSpace();
        Regions.AddTo(space);
        for (ulong bitmap = 0; bitmap < Table.Bitmaps; bitmap++)
        {
            long place = Table.Bitmap(bitmap);
            if (place != 0)
            {
                Add(space, place, VhdxFormat.BitmapBlockBytes, Table.BitmapEntryAt(bitmap));
            }
        }
        for (ulong block = 0; block < Table.Blocks;)
        {
            VhdxEntry entry = Table.Entry(block);
            if (!entry.HasPlace)
            {
                block += Table.CountEqual(block);
                continue;
            }
            Add(space, entry.Offset, Table.BlockBytes, Table.EntryAt(block));
            if (entry.State == VhdxState.Partial)
            {
                Table.RequiredBitmap(block);
            }
            block++;
        }
        return space;
    }

    private void Add(RangeSet space, long offset, long bytes, long at)
    {
        if (!space.TryAdd(offset, bytes))
        {
            throw new ImageFormatException(Medium.Name, at, "blocks beside each other", $"{bytes} bytes at {offset}, over another block");
        }
    }
}
