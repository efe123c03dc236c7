// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>
/// The space of a format without a record of what is free: new space is taken behind the end of the file, and none is ever free again.
/// </summary>
/// <remarks>In memory only, but for <see cref="GiveBack"/>. The file may become longer meanwhile: whoever writes a place sees to that.</remarks>
internal sealed class TailSpace
{
    private readonly IImageFile _file;
    private readonly long _unitBytes;
    private readonly ulong _limitUnits;
    private ulong _endUnit;
    private long _kept;

    /// <summary>Starts behind the present end of the file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="unitBytes">Bytes of a place; places start at multiples of it.</param>
    /// <param name="limitBytes">Where a place has to end at the latest, for the format to name it.</param>
    public TailSpace(IImageFile file, long unitBytes, long limitBytes)
    {
        _file = file;
        _unitBytes = unitBytes;
        _limitUnits = (ulong)(limitBytes / unitBytes);
        _kept = file.Length;
        _endUnit = Units(_kept);
    }

    /// <summary>Bytes up to the end of what is used or reserved.</summary>
    public long End => (long)_endUnit * _unitBytes;

    /// <summary>Takes adjoining units.</summary>
    /// <param name="count">How many at most; on return how many there are, 0 where there is no room.</param>
    /// <returns>The first.</returns>
    public ulong Take(ref ulong count)
    {
        ulong first = _endUnit;
        count = first >= _limitUnits ? 0 : Math.Min(count, _limitUnits - first);
        _endUnit += count;
        return first;
    }

    /// <summary>Takes space behind everything else, where the file reads as zeros until it is written.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="offset">Its byte offset, at the start of a unit.</param>
    /// <returns>False where there is no room.</returns>
    public bool TryTakeTail(long bytes, out long offset)
    {
        ulong units = Units(bytes);
        offset = End;
        bool room = _endUnit < _limitUnits && units <= _limitUnits - _endUnit;
        _endUnit += room ? units : 0;
        return room;
    }

    /// <summary>Takes units that a former process took.</summary>
    /// <returns>False where they lie behind what the format can name.</returns>
    public bool TryTakeAt(ulong unit, ulong count)
    {
        if (unit >= _limitUnits || count > _limitUnits - unit)
        {
            return false;
        }
        _endUnit = Math.Max(_endUnit, unit + count);
        return true;
    }

    /// <summary>Metadata names this range now: the file is not cut before its end any more.</summary>
    public void Keep(long offset, long bytes) => _kept = Math.Max(_kept, offset + bytes);

    /// <summary>Nothing behind this byte is named by now: what a killed process added there is not kept, but for what is still to be kept.</summary>
    public void KeepOnly(long end) => _kept = Math.Min(_kept, (end + 511) / 512 * 512);

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
