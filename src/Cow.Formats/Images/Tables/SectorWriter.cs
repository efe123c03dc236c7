// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>
/// Changes fields of metadata in place, a whole sector with each write: a sector is old or new after a loss of power, a part of one is not.
/// </summary>
/// <remarks>Changes to the same sector that follow each other are one write. <see cref="Done"/> writes the last one. Orders nothing.</remarks>
internal sealed class SectorWriter(IImageFile file)
{
    private const int SectorBytes = 512;

    private readonly byte[] _sector = new byte[SectorBytes];
    private long _at = -1;

    /// <summary>The bytes of a field, to be changed before the next call.</summary>
    /// <param name="offset">Its byte offset.</param>
    /// <param name="bytes">Its length; it does not cross into another sector.</param>
    public Span<byte> Field(long offset, int bytes)
    {
        long start = offset / SectorBytes * SectorBytes;
        if (start != _at)
        {
            Done();
            // The last sector of a file may be cut; what follows is zeros.
            int present = (int)Math.Clamp(file.Length - start, 0, SectorBytes);
            _sector.AsSpan(present).Clear();
            file.ReadAt(_sector.AsSpan(0, present), start);
            _at = start;
        }
        return _sector.AsSpan((int)(offset - start), bytes);
    }

    /// <summary>Writes what is pending.</summary>
    public void Done()
    {
        if (_at >= 0)
        {
            long at = _at;
            _at = -1;
            file.WriteAt(_sector, at);
        }
    }
}
