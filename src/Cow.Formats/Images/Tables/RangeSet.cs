// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>A set of ranges of a file that do not overlap: who has which bytes.</summary>
/// <remarks>Adjoining ranges are kept as one, so that memory follows the holes between them.</remarks>
/// <param name="unit">Bytes that ranges are rounded out to; a power of two.</param>
internal sealed class RangeSet(int unit)
{
    private readonly RunMap _runs = new();
    private readonly int _unit = unit;

    /// <summary>End of the last range, in bytes; 0 where there is none.</summary>
    public long End { get; private set; }

    /// <summary>Bytes in the set.</summary>
    public long TotalBytes => (long)_runs.Total * _unit;

    /// <summary>What is in the set, ascending; what adjoins is one range.</summary>
    public IEnumerable<ByteRange> Ranges()
    {
        for (ulong from = 0; _runs.TryAtOrAfter(from, out MapRun run); from = run.End)
        {
            yield return new ByteRange((long)run.Key * _unit, (long)run.Count * _unit);
        }
    }

    /// <summary>Adds a range unless some of it is in the set already.</summary>
    /// <returns>False where it is: then nothing was added.</returns>
    public bool TryAdd(long offset, long length)
    {
        if (length <= 0)
        {
            return true;
        }
        if (offset < End && Overlaps(offset, length))
        {
            return false;
        }
        ulong first = First(offset);
        _runs.Add(first, first, Behind(offset, length) - first);
        End = Math.Max(End, (long)Behind(offset, length) * _unit);
        return true;
    }

    /// <summary>Adds what is not in the set of a range.</summary>
    public void Include(long offset, long length)
    {
        long end = offset + length;
        for (long at = Hole(offset, end, out long missing); missing > 0; at = Hole(at + missing, end, out missing))
        {
            TryAdd(at, missing);
        }
    }

    /// <summary>Removes ranges of one length that were added.</summary>
    public void Remove(IEnumerable<long> offsets, long length)
    {
        foreach (long offset in offsets)
        {
            _runs.Remove(First(offset), Behind(offset, length) - First(offset));
        }
        End = 0;
        for (ulong at = 0; _runs.TryAtOrAfter(at, out MapRun run); at = run.End)
        {
            End = (long)run.End * _unit;
        }
    }

    /// <summary>Whether any byte of a range is in the set.</summary>
    public bool Overlaps(long offset, long length) => _runs.TryAtOrAfter(First(offset), out MapRun run) && run.Key < Behind(offset, length);

    /// <summary>The first hole from an offset on.</summary>
    /// <param name="from">Byte offset to start at.</param>
    /// <param name="to">Where to stop.</param>
    /// <param name="length">Its bytes; 0 where there is none.</param>
    /// <returns>Its byte offset.</returns>
    public long Hole(long from, long to, out long length)
    {
        while (from < to)
        {
            if (!_runs.TryAtOrAfter(First(from), out MapRun run) || (long)run.Key * _unit >= to)
            {
                length = to - from;
                return from;
            }
            long start = (long)run.Key * _unit;
            if (start > from)
            {
                length = start - from;
                return from;
            }
            from = (long)run.End * _unit;
        }
        length = 0;
        return to;
    }

    private ulong First(long offset) => (ulong)(offset / _unit);

    private ulong Behind(long offset, long length) => ((ulong)offset + (ulong)length + (ulong)_unit - 1) / (ulong)_unit;
}
