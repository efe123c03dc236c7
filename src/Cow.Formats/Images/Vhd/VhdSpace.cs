// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vhd;

/// <summary>Where blocks are in the file: finds overlaps and the end.</summary>
/// <remarks>All blocks are equally long, so a piece of the file as long as a block has room for the start of one at most: an array of one start
/// for each piece is enough. Memory: 4 bytes for each block that the file has room for.</remarks>
internal sealed class VhdSpace
{
    private const int Sector = 512;

    private readonly long _span;
    private readonly List<uint> _starts;

    /// <summary>Makes an empty one.</summary>
    /// <param name="spanBytes">Bytes of a block with its bitmap; a multiple of 512.</param>
    public VhdSpace(long spanBytes)
    {
        _span = spanBytes / Sector;
        _starts = [];
    }

    /// <summary>First byte behind the last block; 0 where there is none.</summary>
    public long End { get; private set; }

    /// <summary>Adds a block.</summary>
    /// <param name="place">Byte offset of its bitmap.</param>
    /// <param name="other">Byte offset of a block that it overlaps.</param>
    /// <returns>False where it overlaps another; it is not added then.</returns>
    public bool TryAdd(long place, out long other)
    {
        long start = place / Sector;
        int piece = (int)(start / _span);
        for (int near = Math.Max(0, piece - 1); near <= piece + 1 && near < _starts.Count; near++)
        {
            // Sector 0 is the footer's copy, never a block's: 0 stands for none.
            other = _starts[near] * (long)Sector;
            if (other != 0 && Math.Abs(_starts[near] - start) < _span)
            {
                return false;
            }
        }
        other = 0;
        while (_starts.Count <= piece)
        {
            _starts.Add(0);
        }
        _starts[piece] = (uint)start;
        End = Math.Max(End, place + (_span * Sector));
        return true;
    }

    /// <summary>Bytes between blocks, and between the metadata and the first one, that nobody uses: gaps for which a block is too long do not count.</summary>
    /// <param name="from">First byte behind the metadata.</param>
    public long Unused(long from)
    {
        long unused = 0;
        foreach (uint start in _starts)
        {
            if (start != 0)
            {
                long gap = (start * (long)Sector) - from;
                unused += gap >= _span * Sector ? gap : 0;
                from = Math.Max(from, (start + _span) * Sector);
            }
        }
        return unused;
    }
}
