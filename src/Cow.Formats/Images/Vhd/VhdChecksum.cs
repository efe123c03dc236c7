// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vhd;

/// <summary>The checksum of footers, headers and batmaps: the one's complement of the sum of all bytes, its own field taken as zero.</summary>
internal static class VhdChecksum
{
    /// <summary>The checksum.</summary>
    /// <param name="bytes">What it is over.</param>
    /// <param name="fieldAt">Where in it the checksum itself is, or -1 where it is elsewhere.</param>
    public static uint Of(ReadOnlySpan<byte> bytes, int fieldAt = -1)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (fieldAt < 0 || i < fieldAt || i >= fieldAt + sizeof(uint))
            {
                sum = unchecked(sum + bytes[i]);
            }
        }
        return ~sum;
    }
}
