// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>The block allocation table: for each block the sector at which its bitmap starts.</summary>
/// <remarks>Keeps the sector of the table that was asked for last; the rest is the metadata cache's.</remarks>
internal sealed class VhdTable(CachedFile file, VhdLayout layout)
{
    private const int Sector = 512;

    /// <summary>Entries in a sector of the table.</summary>
    public const int SectorEntries = Sector / sizeof(uint);

    /// <summary>Entries of the table behind those of the disk that are looked at: four times those that XenServer makes for 2 TiB.</summary>
    private const ulong MostSpareEntries = 1 << 22;

    private readonly byte[] _window = new byte[Sector];
    private long _windowAt = -1;
    private long _length = file.Length;

    /// <summary>The entry of a block, as it is on disk.</summary>
    public uint Entry(ulong block) => ReadUInt32BigEndian(Window(block)[((int)(block % SectorEntries) * sizeof(uint))..]);

    /// <summary>Byte offset of a block's bitmap, held against all that can be seen at small cost.</summary>
    /// <param name="block">The block.</param>
    /// <param name="place">Where its bitmap is.</param>
    /// <returns>False where the block has no place.</returns>
    /// <exception cref="ImageFormatException">The place is outside of the file or over metadata.</exception>
    public bool TryPlace(ulong block, out long place)
    {
        uint entry = Entry(block);
        place = entry * (long)Sector;
        if (entry == VhdLayout.NoBlock)
        {
            return false;
        }
        if (Problem(place) is { } problem)
        {
            throw new ImageFormatException(file.Name, EntryAt(block), $"the sector of a block {problem}", $"{entry}");
        }
        return true;
    }

    /// <summary>What is wrong with a block at a byte offset, as a part of a sentence that says what is expected; or null.</summary>
    public string? Problem(long place)
    {
        long end = place + layout.BitmapBytes + layout.BlockBytes;
        if (place + layout.BitmapBytes > _length)
        {
            _length = file.Length;
        }
        if (place + layout.BitmapBytes > _length)
        {
            return $"inside the file of {_length} bytes";
        }
        return place < layout.MetadataEnd && layout.Overlapped(place, end) is { } range ? $"beside {range.What} at {range.Start} to {range.End}" : null;
    }

    /// <summary>How many blocks from one that has no place on have none either; looks no further than a sector of the table.</summary>
    public int CountAbsent(ulong block)
    {
        ReadOnlySpan<byte> window = Window(block);
        int first = (int)(block % SectorEntries);
        int end = (int)Math.Min(SectorEntries, layout.Blocks - (block - (ulong)first));
        int slot = first + 1;
        while (slot < end && ReadUInt32BigEndian(window[(slot * sizeof(uint))..]) == VhdLayout.NoBlock)
        {
            slot++;
        }
        return slot - first;
    }

    /// <summary>Byte offsets of the bitmaps of blocks that the table names behind the end of the disk, which another reader may take to be larger; they may
    /// be wrong. A table that was made for a larger disk is common, and names none.</summary>
    public IEnumerable<long> PlacesBehindTheDisk()
    {
        ulong end = Math.Min(layout.Header.Entries, layout.Blocks + MostSpareEntries);
        for (ulong block = layout.Blocks; block < end; block++)
        {
            uint entry = Entry(block);
            if (entry != VhdLayout.NoBlock)
            {
                yield return entry * (long)Sector;
            }
        }
    }

    /// <summary>Behind those blocks.</summary>
    /// <param name="most">No block ends behind it.</param>
    public long EndOfBlocksBehindTheDisk(long most)
    {
        if (layout.Header.Entries - layout.Blocks > MostSpareEntries)
        {
            return most;
        }
        long end = 0;
        foreach (long place in PlacesBehindTheDisk())
        {
            end = Math.Max(end, place + layout.BitmapBytes + layout.BlockBytes);
        }
        return Math.Min(end, most);
    }

    /// <summary>Byte offset of a block's entry.</summary>
    public long EntryAt(ulong block) => layout.TableOffset + ((long)block * sizeof(uint));

    /// <summary>Writes the entries of blocks, whole sectors at a time. What they point at must be safe.</summary>
    /// <param name="places">Byte offset of the bitmap, by block.</param>
    public void Write(IEnumerable<KeyValuePair<ulong, long>> places)
    {
        foreach (IGrouping<ulong, KeyValuePair<ulong, long>> sector in places.GroupBy(p => p.Key / SectorEntries))
        {
            byte[] bytes = Window(sector.Key * SectorEntries).ToArray();
            foreach ((ulong block, long place) in sector)
            {
                WriteUInt32BigEndian(bytes.AsSpan((int)(block % SectorEntries) * sizeof(uint)), (uint)(place / Sector));
            }
            _windowAt = -1;
            file.WriteAt(bytes, EntryAt(sector.Key * SectorEntries));
        }
    }

    private ReadOnlySpan<byte> Window(ulong block)
    {
        long at = EntryAt(block - (block % SectorEntries));
        if (at != _windowAt)
        {
            _windowAt = -1;
            file.ReadAt(_window, at);
            _windowAt = at;
        }
        return _window;
    }
}
