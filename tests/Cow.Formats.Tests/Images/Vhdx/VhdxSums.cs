// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhdx;

/// <summary>Makes the checksums of a spoilt VHDX right again. Written from the specification, not from the code under test.</summary>
internal static class VhdxSums
{
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(Remainder)];

    /// <summary>Both headers and both region tables.</summary>
    public static byte[] Fix(byte[] image)
    {
        foreach ((int at, int bytes) in ((int, int)[])[(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10), (256 << 10, 64 << 10)])
        {
            if (image.Length >= at + bytes)
            {
                Span<byte> structure = image.AsSpan(at, bytes);
                structure.Slice(4, 4).Clear();
                WriteUInt32LittleEndian(structure[4..], Of(structure));
            }
        }
        return image;
    }

    private static uint Of(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc = Table[(crc ^ b) & 0xff] ^ (crc >> 8);
        }
        return ~crc;
    }

    private static uint Remainder(int value)
    {
        uint crc = (uint)value;
        for (int i = 0; i < 8; i++)
        {
            crc = (crc >> 1) ^ ((crc & 1) * 0x82f63b78u);
        }
        return crc;
    }
}
