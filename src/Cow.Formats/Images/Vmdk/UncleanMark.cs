// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>The field of a sparse extent's header that is not 0 while somebody writes it, and for COWD the one that says where nothing is used
/// any more.</summary>
/// <param name="file">The extent.</param>
/// <param name="at">Byte offset of the mark: one byte is enough for it, in any width.</param>
/// <param name="found">Whether it was set when the extent was opened.</param>
/// <param name="nextFreeAt">Byte offset of the next free sector's number; 0 without one.</param>
/// <param name="nextFree">That number.</param>
internal sealed class UncleanMark(IImageFile file, long at, bool found, long nextFreeAt = 0, uint nextFree = 0)
{
    private uint _nextFree = nextFree;

    /// <summary>Whether whoever wrote the extent last did not close it.</summary>
    public bool Found { get; } = found;

    /// <summary>Byte offset behind which the header says that nothing is used; <see cref="long.MaxValue"/> where it does not say.</summary>
    public long NextFree => nextFreeAt == 0 ? long.MaxValue : (long)_nextFree * 512;

    /// <summary>Sets or clears the mark. Not flushed.</summary>
    public void Write(bool unclean)
    {
        SectorWriter writer = new(file);
        writer.Field(at, 1)[0] = unclean ? (byte)1 : (byte)0;
        writer.Done();
    }

    /// <summary>Says how far the extent is used, before anything there is named: ESX would put other grains there after a crash.</summary>
    /// <param name="end">Byte offset.</param>
    /// <returns>Whether something was written.</returns>
    public bool Advance(long end)
    {
        if (end <= NextFree)
        {
            return false;
        }
        _nextFree = (uint)((end + 511) / 512);
        SectorWriter writer = new(file);
        WriteUInt32LittleEndian(writer.Field(nextFreeAt, sizeof(uint)), _nextFree);
        writer.Done();
        return true;
    }
}
