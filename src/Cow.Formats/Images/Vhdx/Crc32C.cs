// SPDX-License-Identifier: MIT
using System.Numerics;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>CRC-32C (Castagnoli), which guards headers, region tables and log entries.</summary>
internal static class Crc32C
{
    /// <summary>Value of a checksum over no bytes, before <see cref="Finish"/>.</summary>
    public const uint Start = uint.MaxValue;

    /// <summary>The checksum of a structure whose own checksum field, at byte 4, counts as zero.</summary>
    public static uint OfStructure(ReadOnlySpan<byte> bytes) => Finish(Append(Append(Append(Start, bytes[..4]), stackalloc byte[4]), bytes[8..]));

    /// <summary>Goes on over further bytes.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }
        foreach (byte b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }
        return crc;
    }

    /// <summary>The checksum.</summary>
    public static uint Finish(uint crc) => ~crc;
}
