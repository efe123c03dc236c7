// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Numerics;

namespace Cow.Controller.Cli.Values;

/// <summary>
/// Sizes on the command line, and on the screen. A bare number is sectors, as everywhere in device-mapper; K, M, G and T are powers of 1024
/// bytes, B is bytes.
/// </summary>
internal static class SizeText
{
    private const int SectorSize = 512;
    private const string Units = "BKMGT";
    private const string HowToWrite = "write sectors (1024) or bytes with a suffix (512K, 1M, 2G, 1T)";

    /// <summary>Sectors in <paramref name="text"/>.</summary>
    /// <param name="what">What the number is, for the error: chunk, size.</param>
    /// <param name="text">As it was typed.</param>
    /// <exception cref="CliException">It is no size that a device can have.</exception>
    public static ulong Sectors(string what, string text)
    {
        string about = $"{what} {text}";
        int suffix = text.Length == 0 ? -1 : Units.IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal);
        string digits = suffix < 0 ? text : text[..^1];
        if (!BigInteger.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out BigInteger number))
        {
            throw Usage(about, "is not a size", HowToWrite);
        }

        BigInteger bytes = suffix < 0 ? number * SectorSize : number << (10 * suffix);
        if (bytes.IsZero)
        {
            throw Usage(about, "is zero", "give at least one sector");
        }

        if (bytes > long.MaxValue)
        {
            throw Usage(about, "is more than any device can hold", "the limit is 8 EiB; " + HowToWrite);
        }

        return bytes % SectorSize == 0
            ? (ulong)(bytes / SectorSize)
            : throw Usage(about, "is not a multiple of 512 bytes", "devices consist of whole sectors");
    }

    /// <summary>As <see cref="Sectors"/>, in bytes.</summary>
    public static long Bytes(string what, string text) => (long)Sectors(what, text) * SectorSize;

    /// <summary>As <see cref="Sectors"/>, and a power of two.</summary>
    public static ulong Chunk(string text)
    {
        ulong sectors = Sectors("chunk", text);
        if (!BitOperations.IsPow2(sectors))
        {
            ulong above = BitOperations.RoundUpToPowerOf2(sectors);
            throw Usage(
                $"chunk {text}",
                "is not a power of two",
                $"take {above / 2} or {above} sectors ({Binary(above / 2 * SectorSize)} or {Binary(above * SectorSize)})");
        }

        return sectors <= int.MaxValue ? sectors : throw Usage($"chunk {text}", "is too large", "chunks are smaller than 1 TiB");
    }

    /// <summary>Bytes for a reader: <c>512 B</c>, <c>1.5 MiB</c>, <c>2 TiB</c>; three digits at most where the unit allows.</summary>
    public static string Binary(ulong bytes)
    {
        int unit = 0;
        double value = bytes;
        // 1023.5 would be shown as 1024 of a unit.
        while (value >= 1023.5 && unit < 6)
        {
            value /= 1024;
            unit++;
        }

        string shown = value.ToString(value >= 99.95 || unit == 0 ? "0" : "0.#", CultureInfo.InvariantCulture);
        return unit == 0 ? $"{shown} B" : $"{shown} {"KMGTPE"[unit - 1]}iB";
    }

    /// <summary><see cref="Binary(ulong)"/> of sectors.</summary>
    public static string BinarySectors(ulong sectors) => Binary(sectors * SectorSize);

    private static CliException Usage(string about, string reason, string cure) => new(ExitCode.Usage, about, reason, cure);
}
