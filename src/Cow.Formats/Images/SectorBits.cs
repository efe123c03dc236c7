// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>Which bit of a byte stands for the first sector.</summary>
internal enum BitOrder
{
    /// <summary>The most significant one, as VHD has it.</summary>
    MostSignificantFirst,

    /// <summary>The least significant one, as VHDX and the first tapdisk have it.</summary>
    LeastSignificantFirst,
}

/// <summary>Bitmaps that have a bit for each sector.</summary>
internal static class SectorBits
{
    /// <summary>How many bits from <paramref name="first"/> on are equal.</summary>
    /// <param name="bits">The bitmap.</param>
    /// <param name="order">Order of the bits in a byte.</param>
    /// <param name="first">The first bit.</param>
    /// <param name="limit">Bits that are of interest, at least one; inside the bitmap.</param>
    /// <param name="set">Whether they are set.</param>
    public static int Run(ReadOnlySpan<byte> bits, BitOrder order, int first, int limit, out bool set)
    {
        set = IsSet(bits, order, first);
        int end = first + limit;
        int bit = first + 1;
        while (bit < end)
        {
            if (bit % 8 == 0 && end - bit >= 8)
            {
                ReadOnlySpan<byte> whole = bits[(bit / 8)..(end / 8)];
                int other = whole.IndexOfAnyExcept(set ? byte.MaxValue : byte.MinValue);
                bit += (other < 0 ? whole.Length : other) * 8;
                if (bit >= end)
                {
                    break;
                }
            }
            int stop = Math.Min(end, (bit / 8 * 8) + 8);
            while (bit < stop && IsSet(bits, order, bit) == set)
            {
                bit++;
            }
            if (bit < stop)
            {
                break;
            }
        }
        return bit - first;
    }

    /// <summary>Sets bits.</summary>
    public static void Set(Span<byte> bits, BitOrder order, int first, int count)
    {
        for (int bit = first; bit < first + count;)
        {
            if (bit % 8 == 0 && first + count - bit >= 8)
            {
                int bytes = (first + count - bit) / 8;
                bits.Slice(bit / 8, bytes).Fill(byte.MaxValue);
                bit += bytes * 8;
                continue;
            }
            bits[bit / 8] |= Mask(order, bit);
            bit++;
        }
    }

    /// <summary>Whether a bit is set.</summary>
    public static bool IsSet(ReadOnlySpan<byte> bits, BitOrder order, int bit) => (bits[bit / 8] & Mask(order, bit)) != 0;

    private static byte Mask(BitOrder order, int bit) => (byte)(1 << (order == BitOrder.MostSignificantFirst ? 7 - (bit % 8) : bit % 8));
}
