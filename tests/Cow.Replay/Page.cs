// SPDX-License-Identifier: MIT
namespace Cow.Replay;

/// <summary>4 KiB of an image. Its bytes never change: a write makes a new page, so what was seen in one stays true.</summary>
internal sealed class Page(byte[] data)
{
    public const int Bytes = 4096;

    public const int Sectors = Bytes / SectorStamp.Bytes;

    private SectorStamp?[]? _seen;
    private ulong _seenAs;

    public byte[] Data { get; } = data;

    /// <summary>What each sector says that it is, for one who finds the page where a block should be: a sector equal to the base's is
    /// version 0 of the block, one that bears no valid stamp is null.</summary>
    public ReadOnlySpan<SectorStamp?> SeenAs(ulong block, BaseDevice lower)
    {
        if (_seen is null || _seenAs != block)
        {
            _seen = [.. Enumerable.Range(0, Sectors).Select(i => See(block, i, lower))];
            _seenAs = block;
        }
        return _seen;
    }

    private SectorStamp? See(ulong block, int index, BaseDevice lower)
    {
        ReadOnlySpan<byte> sector = Data.AsSpan(index * SectorStamp.Bytes, SectorStamp.Bytes);
        return SectorStamp.Read(sector)
            ?? (sector.SequenceEqual(lower.Sector(block, index)) ? new SectorStamp(block, 0, (ulong)index) : null);
    }
}
