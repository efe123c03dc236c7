// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vhdx;

/// <summary>Which megabytes of the file are in use: a bit for each.</summary>
internal sealed class VhdxSpace
{
    private readonly List<ulong> _used = [];

    /// <summary>First byte behind all that is in use.</summary>
    public long End { get; private set; }

    /// <summary>Marks a range as used.</summary>
    /// <param name="start">Byte offset, on a megabyte.</param>
    /// <param name="bytes">Whole megabytes.</param>
    /// <returns>False where some of it was in use already; nothing is marked then.</returns>
    public bool TryAdd(long start, long bytes)
    {
        long first = start / VhdxFormat.Megabyte;
        long end = (start + bytes) / VhdxFormat.Megabyte;
        for (long at = first; at < end; at++)
        {
            if (IsUsed(at))
            {
                return false;
            }
        }
        while (_used.Count <= (end - 1) / 64)
        {
            _used.Add(0);
        }
        for (long at = first; at < end; at++)
        {
            _used[(int)(at / 64)] |= 1UL << (int)(at % 64);
        }
        End = Math.Max(End, start + bytes);
        return true;
    }

    /// <summary>The first unused megabyte between two byte offsets, or -1.</summary>
    public long FindUnused(long from, long to)
    {
        for (long at = from / VhdxFormat.Megabyte; at < to / VhdxFormat.Megabyte; at++)
        {
            if (!IsUsed(at))
            {
                return at * VhdxFormat.Megabyte;
            }
        }
        return -1;
    }

    /// <summary>Unused bytes between two byte offsets, in pieces that are long enough to be of use.</summary>
    /// <param name="from">Byte offset of the first.</param>
    /// <param name="before">Byte offset behind the last.</param>
    /// <param name="least">Bytes of such a piece.</param>
    public long CountUnused(long from, long before, long least)
    {
        long unused = 0;
        long piece = 0;
        for (long at = from / VhdxFormat.Megabyte; at <= before / VhdxFormat.Megabyte; at++)
        {
            if (at < before / VhdxFormat.Megabyte && !IsUsed(at))
            {
                piece += VhdxFormat.Megabyte;
                continue;
            }
            unused += piece >= least ? piece : 0;
            piece = 0;
        }
        return unused;
    }

    private bool IsUsed(long megabyte) => megabyte / 64 < _used.Count && (_used[(int)(megabyte / 64)] & (1UL << (int)(megabyte % 64))) != 0;
}
