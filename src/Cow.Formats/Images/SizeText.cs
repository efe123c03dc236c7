// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Formats.Images;

/// <summary>Sizes as qemu-img's -o takes them: bytes, or a number with K, M, G or T behind it, powers of 1024.</summary>
internal static class SizeText
{
    /// <summary>Reads a size.</summary>
    public static bool TryParse(string text, out ulong bytes)
    {
        int unit = text.Length == 0 ? -1 : "KMGT".IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal);
        bool good = ulong.TryParse(unit < 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out bytes);
        int shift = (unit + 1) * 10;
        good &= bytes <= ulong.MaxValue >> shift;
        bytes = good ? bytes << shift : 0;
        return good;
    }
}
