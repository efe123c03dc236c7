// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vhd;

/// <summary>Where blocks are in the file: finds overlaps and the end.</summary>
/// <remarks>Memory follows the blocks, of which those that adjoin are one run, whatever the length of the file.</remarks>
/// <param name="spanBytes">Bytes of a block with its bitmap; a multiple of 512.</param>
internal sealed class VhdSpace(long spanBytes)
{
    private const int Sector = 512;

    private readonly ulong _span = (ulong)spanBytes / Sector;

    // Sectors that blocks take; the values are the keys.
    private readonly RunMap _sectors = new();

    /// <summary>First byte behind the last block; 0 where there is none.</summary>
    public long End { get; private set; }

    /// <summary>Adds a block.</summary>
    /// <param name="place">Byte offset of its bitmap.</param>
    /// <param name="other">Byte offset of a block that it overlaps.</param>
    /// <returns>False where it overlaps another; it is not added then.</returns>
    public bool TryAdd(long place, out long other)
    {
        ulong start = (ulong)place / Sector;
        if (_sectors.TryAtOrAfter(start, out MapRun run) && run.Key < start + _span)
        {
            // A run is whole blocks.
            ulong before = start > run.Key ? (start - run.Key) / _span * _span : 0;
            other = (long)(run.Key + before) * Sector;
            return false;
        }
        other = 0;
        _sectors.Add(start, start, _span);
        End = Math.Max(End, (long)(start + _span) * Sector);
        return true;
    }

    /// <summary>Bytes between blocks, and between the metadata and the first one, that nobody uses: gaps for which a block is too long do not count.</summary>
    /// <param name="from">First byte behind the metadata.</param>
    public long Unused(long from)
    {
        long unused = 0;
        for (ulong at = 0; _sectors.TryAtOrAfter(at, out MapRun run); at = run.End)
        {
            long gap = ((long)run.Key * Sector) - from;
            unused += gap >= spanBytes ? gap : 0;
            from = Math.Max(from, (long)run.End * Sector);
        }
        return unused;
    }
}
