// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <summary>The checksum of footers, headers and batmaps: the one's complement of the sum of all bytes, its own field taken as zero.</summary>
internal static class VhdChecksum
{
    /// <summary>Bytes of a file that are read at once.</summary>
    private const int PieceBytes = 64 << 10;

    /// <summary>The checksum.</summary>
    /// <param name="bytes">What it is over.</param>
    /// <param name="fieldAt">Where in it the checksum itself is, or -1 where it is elsewhere.</param>
    public static uint Of(ReadOnlySpan<byte> bytes, int fieldAt = -1)
    {
        return ~Sum(bytes, fieldAt);
    }

    /// <summary>The checksum of a part of a file. Holes add nothing to it, and the part may be long.</summary>
    /// <param name="file">The file.</param>
    /// <param name="at">Byte offset of the part.</param>
    /// <param name="bytes">Its length.</param>
    /// <param name="signed">Bytes from 0x80 on are negative.</param>
    public static uint Of(CachedFile file, long at, long bytes, bool signed)
    {
        byte[] piece = new byte[PieceBytes];
        uint sum = 0;
        for (long end = at + bytes; at < end;)
        {
            long data = Math.Min(file.NextData(at), end);
            if (data > at)
            {
                at = data;
                continue;
            }
            Span<byte> part = piece.AsSpan(0, (int)Math.Min(PieceBytes, end - at));
            file.Uncached.ReadAt(part, at);
            sum = unchecked(sum + Sum(part, signed: signed));
            at += part.Length;
        }
        return ~sum;
    }

    private static uint Sum(ReadOnlySpan<byte> bytes, int fieldAt = -1, bool signed = false)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (fieldAt < 0 || i < fieldAt || i >= fieldAt + sizeof(uint))
            {
                sum = unchecked(sum + (signed ? (uint)(sbyte)bytes[i] : bytes[i]));
            }
        }
        return sum;
    }
}
