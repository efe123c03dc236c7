// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>
/// The space of a format without a record of what is free: new space is taken behind the end of the file. What was taken and came back unused is
/// taken again first.
/// </summary>
/// <remarks>In memory only, but for <see cref="GiveBack"/>. The file may become longer meanwhile: whoever writes a place sees to that.</remarks>
internal sealed class TailSpace
{
    private readonly IImageFile _file;
    private readonly long _unitBytes;
    private readonly ulong _limitUnits;
    private readonly long _leastBytes;

    // Units before the end that nobody has, to themselves.
    private RunMap _free = new();
    private ulong _endUnit;
    private long _kept;

    /// <summary>Starts behind the present end of the file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="unitBytes">Bytes of a place; places start at multiples of it.</param>
    /// <param name="limitBytes">Where a place has to end at the latest, for the format to name it.</param>
    /// <param name="leastBytes">What the file begins with: it never ends before that, and has no place there.</param>
    public TailSpace(IImageFile file, long unitBytes, long limitBytes, long leastBytes)
    {
        _file = file;
        _unitBytes = unitBytes;
        _limitUnits = (ulong)(limitBytes / unitBytes);
        _kept = file.Length;
        _leastBytes = Math.Min(leastBytes, _kept);
        _endUnit = Units(_kept);
    }

    /// <summary>Bytes up to the end of what is used or reserved.</summary>
    public long End => (long)_endUnit * _unitBytes;

    /// <summary>Bytes of a place.</summary>
    public long UnitBytes => _unitBytes;

    /// <summary>Takes adjoining units.</summary>
    /// <param name="count">How many at most; on return how many there are, 0 where there is no room.</param>
    /// <returns>The first.</returns>
    public ulong Take(ref ulong count)
    {
        if (_free.TryAtOrAfter(0, out MapRun run))
        {
            count = Math.Min(count, run.Count);
            _free.Remove(run.Key, count);
            return run.Key;
        }
        ulong first = _endUnit;
        count = first >= _limitUnits ? 0 : Math.Min(count, _limitUnits - first);
        _endUnit += count;
        return first;
    }

    /// <summary>Takes as many units as some bytes need, together.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="offset">Its byte offset, at the start of a unit.</param>
    /// <returns>False where there is no room.</returns>
    public bool TryTakeWhole(long bytes, out long offset)
    {
        ulong units = Units(bytes);
        for (ulong from = 0; _free.TryAtOrAfter(from, out MapRun run); from = run.End)
        {
            if (run.Count >= units)
            {
                _free.Remove(run.Key, units);
                offset = (long)run.Key * _unitBytes;
                return true;
            }
        }
        offset = End;
        bool room = _endUnit < _limitUnits && units <= _limitUnits - _endUnit;
        _endUnit += room ? units : 0;
        return room;
    }

    /// <summary>Takes a unit that a former process took; <see cref="FreeAllBut"/> was called before.</summary>
    /// <returns>False where somebody has it, or it lies behind what the format can name.</returns>
    public bool TryTakeAt(ulong unit)
    {
        if (unit >= _limitUnits)
        {
            return false;
        }
        if (unit >= _endUnit)
        {
            Return(_endUnit, unit - _endUnit + 1);
            _endUnit = unit + 1;
        }
        bool free = _free.TryAt(unit, out _);
        if (free)
        {
            _free.Remove(unit, 1);
        }
        return free;
    }

    /// <summary>Takes a free unit before some byte of the file.</summary>
    /// <param name="before">The byte.</param>
    /// <param name="offset">Byte offset of the first one.</param>
    /// <returns>False where there is none.</returns>
    public bool TryTakeBefore(long before, out long offset)
    {
        bool any = _free.TryAtOrAfter(0, out MapRun run);
        offset = any ? (long)run.Key * _unitBytes : 0;
        any = any && offset < before;
        if (any)
        {
            _free.Remove(run.Key, 1);
        }
        return any;
    }

    /// <summary>Units that were taken and that nobody wrote come back.</summary>
    public void Return(ulong unit, ulong count) => _free.Add(unit, unit, count);

    /// <summary>Space that was taken by <see cref="TryTakeWhole"/> comes back.</summary>
    public void ReturnWhole(long offset, long bytes) => Return((ulong)(offset / _unitBytes), Units(bytes));

    /// <summary>All whole units that nobody has become free: what a process that was killed left behind. Of a hole of more units than one run has only
    /// so many: that is more than can be filled, and a file may be one hole of exabytes.</summary>
    /// <param name="taken">What is named, reserved, or lost for good.</param>
    public void FreeAllBut(RangeSet taken)
    {
        _free = new RunMap();
        for (long at = _leastBytes; at < End;)
        {
            long hole = taken.Hole(at, End, out long length);
            ulong first = Units(hole);
            ulong end = (ulong)((hole + length) / _unitBytes);
            Return(first, Math.Min(end - Math.Min(first, end), uint.MaxValue));
            at = hole + Math.Max(length, 1);
        }
    }

    /// <summary>Adds what is free.</summary>
    public void AddFree(RangeSet places)
    {
        for (ulong unit = 0; _free.TryAtOrAfter(unit, out MapRun run); unit = run.End)
        {
            places.TryAdd((long)run.Key * _unitBytes, run.Count * _unitBytes);
        }
    }

    /// <summary>Free units before the end of what metadata names, of which the first starts at a byte; those behind it are forgotten.</summary>
    public ulong CountHoles(out long first)
    {
        ulong kept = Units(_kept);
        while (_free.TryAtOrAfter(kept, out MapRun run))
        {
            ulong from = Math.Max(run.Key, kept);
            _free.Remove(from, run.End - from);
        }
        _endUnit = Math.Min(_endUnit, kept);
        first = _free.TryAtOrAfter(0, out MapRun hole) ? (long)hole.Key * _unitBytes : 0;
        return _free.Total;
    }

    /// <summary>Makes the file end with a whole unit, since it may end with a place that is cut: the rest reads as zeros, and the kernel, which maps what it
    /// writes, maps nothing that its device has not. Durable on return.</summary>
    public void Complete()
    {
        if (_file.Length > long.MaxValue - _unitBytes)
        {
            // No file is as long as that would be.
            return;
        }
        long end = (long)Units(_file.Length) * _unitBytes;
        if (_file.CanGrow && _file.Length < end)
        {
            _file.SetLength(end);
            _file.Flush();
        }
        _kept = Math.Max(_kept, end);
    }

    /// <summary>Metadata names this range now: the file is not cut before its end any more.</summary>
    public void Keep(long offset, long bytes) => _kept = Math.Max(_kept, offset + bytes);

    /// <summary>Nothing behind this byte is named by now: it is not kept, but for what is still to be kept.</summary>
    public void KeepOnly(long end) => _kept = Math.Min(_kept, (Math.Max(end, _leastBytes) + 511) / 512 * 512);

    /// <summary>Ends the file behind the last range that metadata names.</summary>
    public void GiveBack()
    {
        if (_file.CanGrow && _file.Length != _kept)
        {
            _file.SetLength(_kept);
        }
    }

    private ulong Units(long bytes) => (ulong)((bytes / _unitBytes) + (bytes % _unitBytes == 0 ? 0 : 1));
}
