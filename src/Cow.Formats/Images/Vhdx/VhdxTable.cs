// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>What an entry of the table says of a block.</summary>
internal enum VhdxState
{
    /// <summary>The parent has it; zeros where there is no parent.</summary>
    NotPresent = 0,

    /// <summary>Nobody knows what it reads: we say zeros, as QEMU does.</summary>
    Undefined = 1,

    /// <summary>Zeros, whatever the parent has.</summary>
    Zero = 2,

    /// <summary>Discarded: zeros.</summary>
    Unmapped = 3,

    /// <summary>All of it is in the file.</summary>
    Full = 6,

    /// <summary>The sector bitmap says which sectors are in the file; the parent has the others.</summary>
    Partial = 7,
}

/// <summary>An entry of the table.</summary>
/// <param name="State">The state.</param>
/// <param name="Offset">Byte offset of the block in the file, for full and partial ones.</param>
internal readonly record struct VhdxEntry(VhdxState State, long Offset)
{
    /// <summary>Whether it has a place in the file.</summary>
    public bool HasPlace => State is VhdxState.Full or VhdxState.Partial;

    /// <summary>The entry as it is on disk.</summary>
    public ulong Raw => (ulong)Offset | (uint)State;
}

/// <summary>The block allocation table: entries of payload blocks, and behind those of each 2^23 sectors the one of their sector bitmap block.</summary>
/// <remarks>Keeps the part of the table that was asked for last; the rest is the metadata cache's.</remarks>
internal sealed class VhdxTable
{
    private const int WindowBytes = 512;
    private const int EntryBytes = sizeof(ulong);
    private const ulong ReservedBits = 0xf_fff8;

    private readonly VhdxMedium _medium;
    private readonly VhdxRegions _regions;
    private readonly bool _hasParent;
    private readonly byte[] _window = new byte[WindowBytes];
    private long _windowAt = -1;
    private long _length;

    /// <summary>Takes the place of the table.</summary>
    /// <exception cref="ImageFormatException">Its region is too small for the disk.</exception>
    public VhdxTable(VhdxMedium medium, VhdxRegions regions, VhdxMetadata metadata)
    {
        _medium = medium;
        _regions = regions;
        _hasParent = metadata.HasParent;
        _length = medium.Length;
        BlockBytes = metadata.BlockBytes;
        Ratio = VhdxFormat.BitmapBlockSectors * metadata.LogicalSectorBytes / BlockBytes;
        Blocks = (metadata.VirtualBytes + BlockBytes - 1) / BlockBytes;
        Bitmaps = _hasParent ? (Blocks + Ratio - 1) / Ratio : (Blocks - 1) / Ratio;
        ulong entries = _hasParent ? Bitmaps * (Ratio + 1) : Blocks + Bitmaps;
        if (entries * EntryBytes > (ulong)(regions.Bat.End - regions.Bat.Start))
        {
            throw new ImageFormatException(medium.Name, VhdxFormat.RegionTablesAt[0], $"a region of at least {entries * EntryBytes} bytes for the table", $"{regions.Bat.End - regions.Bat.Start}");
        }
        Bytes = (long)(entries * EntryBytes);
    }

    /// <summary>Bytes of the table, which its region may have more of.</summary>
    public long Bytes { get; }

    /// <summary>Bytes of a payload block.</summary>
    public uint BlockBytes { get; }

    /// <summary>Payload blocks of the disk.</summary>
    public ulong Blocks { get; }

    /// <summary>Payload blocks to one sector bitmap block.</summary>
    public ulong Ratio { get; }

    /// <summary>Sector bitmap blocks that the table has entries for; without a parent none is behind the last payload block.</summary>
    public ulong Bitmaps { get; }

    /// <summary>Bytes of a payload block's part in its sector bitmap block.</summary>
    public int BitsBytes => (int)((ulong)VhdxFormat.BitmapBlockBytes / Ratio);

    /// <summary>Byte offset in the file of a payload block's entry.</summary>
    public long EntryAt(ulong block) => _regions.Bat.Start + (long)((block + (block / Ratio)) * EntryBytes);

    /// <summary>Byte offset in the file of the entry of a sector bitmap block.</summary>
    public long BitmapEntryAt(ulong bitmap) => _regions.Bat.Start + (long)(((bitmap * (Ratio + 1)) + Ratio) * EntryBytes);

    /// <summary>The entry of a payload block.</summary>
    /// <exception cref="ImageFormatException">There is no such state, or the place is outside of the file or over something else.</exception>
    public VhdxEntry Entry(ulong block)
    {
        long at = EntryAt(block);
        ulong raw = Raw(at);
        VhdxState state = (VhdxState)(raw & 7);
        bool known = state is not ((VhdxState)4 or (VhdxState)5) && (state != VhdxState.Partial || _hasParent);
        if (!known || (raw & ReservedBits) != 0)
        {
            throw Wrong(at, "a state of a block, reserved bits of zero", raw);
        }
        return state is VhdxState.Full or VhdxState.Partial ? new VhdxEntry(state, Place(at, raw, BlockBytes)) : new VhdxEntry(state, 0);
    }

    /// <summary>Byte offset of a sector bitmap block, or 0 where it has none.</summary>
    /// <param name="bitmap">Number of the sector bitmap block.</param>
    /// <exception cref="ImageFormatException">As <see cref="Entry"/>.</exception>
    public long Bitmap(ulong bitmap)
    {
        long at = BitmapEntryAt(bitmap);
        ulong raw = Raw(at);
        VhdxState state = (VhdxState)(raw & 7);
        if (state is not (VhdxState.NotPresent or VhdxState.Full) || (raw & ReservedBits) != 0 || (state == VhdxState.Full && !_hasParent))
        {
            throw Wrong(at, "a sector bitmap block that is there, where there is a parent, or not", raw);
        }
        return state == VhdxState.Full ? Place(at, raw, VhdxFormat.BitmapBlockBytes) : 0;
    }

    /// <summary>The sector bitmap block of a partial block.</summary>
    /// <exception cref="ImageFormatException">It has none.</exception>
    public long RequiredBitmap(ulong block)
    {
        long place = Bitmap(block / Ratio);
        return place != 0 ? place : throw Wrong(BitmapEntryAt(block / Ratio), "a sector bitmap block of a partial block", Raw(BitmapEntryAt(block / Ratio)));
    }

    /// <summary>Byte offset of a partial block's bits.</summary>
    /// <exception cref="ImageFormatException">It has none.</exception>
    public long BitsAt(ulong block) => RequiredBitmap(block) + ((long)(block % Ratio) * BitsBytes);

    /// <summary>How many blocks from one on are equal to it that has no place; looks no further than it has read, and through zeros that need no
    /// reading.</summary>
    public ulong CountEqual(ulong block)
    {
        ulong state = Raw(EntryAt(block));
        ulong end = block + 1;
        while (end < Blocks && EntryAt(end) < _windowAt + WindowBytes && Raw(EntryAt(end)) == state)
        {
            end++;
        }
        if (end < Blocks && EntryAt(end) >= _windowAt + WindowBytes && state == 0)
        {
            end = Math.Clamp(BlocksBefore(_medium.EndOfZeros(EntryAt(end), _regions.Bat.End)), end, Blocks);
        }
        return end - block;
    }

    /// <summary>What was read may have changed.</summary>
    public void Forget() => _windowAt = -1;

    /// <summary>How many payload blocks have their entries before a byte offset.</summary>
    private ulong BlocksBefore(long at)
    {
        ulong entries = (ulong)(at - _regions.Bat.Start) / EntryBytes;
        return entries - (entries / (Ratio + 1));
    }

    private long Place(long at, ulong raw, long bytes)
    {
        ulong offset = raw & ~(ulong)(VhdxFormat.Megabyte - 1);
        if (_length < bytes || offset > (ulong)(_length - bytes))
        {
            _length = _medium.Length;
        }
        if (_length < bytes || offset > (ulong)(_length - bytes))
        {
            throw Wrong(at, $"a block of {bytes} bytes inside the file of {_length}", raw);
        }
        return (long)offset < _regions.End && _regions.Overlapped((long)offset, (long)offset + bytes) is { } range
            ? throw Wrong(at, $"a block beside {range.What} at {range.Start} to {range.End}", raw)
            : (long)offset;
    }

    private ulong Raw(long at)
    {
        long window = at & -WindowBytes;
        if (window != _windowAt)
        {
            _windowAt = -1;
            _medium.Read(_window, window);
            _windowAt = window;
        }
        return ReadUInt64LittleEndian(_window.AsSpan((int)(at - window)));
    }

    private ImageFormatException Wrong(long at, string expected, ulong raw) => new(_medium.Name, at, expected, $"0x{raw:x16}");
}
