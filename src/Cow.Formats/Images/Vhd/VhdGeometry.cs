// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>Cylinders, heads and sectors per track as the VHD specification derives them from a size: the product never exceeds the size.</summary>
internal static class VhdGeometry
{
    private const ulong MostSectors = 65535UL * 16 * 255;

    /// <summary>Writes the four bytes of the footer's field.</summary>
    /// <param name="field">Where.</param>
    /// <param name="virtualBytes">Bytes of the disk.</param>
    public static void Write(Span<byte> field, ulong virtualBytes)
    {
        ulong sectors = Math.Min(virtualBytes / 512, MostSectors);
        (ulong perTrack, ulong heads) = (255, 16);
        if (sectors < 65535UL * 16 * 63)
        {
            (perTrack, heads) = Small(sectors);
        }
        WriteUInt16BigEndian(field, (ushort)(sectors / perTrack / heads));
        field[2] = (byte)heads;
        field[3] = (byte)perTrack;
    }

    private static (ulong PerTrack, ulong Heads) Small(ulong sectors)
    {
        ulong tracks = sectors / 17;
        ulong heads = Math.Max(4, (tracks + 1023) / 1024);
        if (tracks < heads * 1024 && heads <= 16)
        {
            return (17, heads);
        }
        return sectors / 31 < 16 * 1024 ? (31UL, 16UL) : (63UL, 16UL);
    }
}
