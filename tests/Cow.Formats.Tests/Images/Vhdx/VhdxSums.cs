// SPDX-License-Identifier: MIT
using System.Numerics;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhdx;

/// <summary>Makes the checksums of a spoilt VHDX right again. Written from the specification, not from the code under test.</summary>
internal static class VhdxSums
{
    /// <summary>Both headers and both region tables: where, and how many bytes a CRC-32C is over.</summary>
    private static readonly (int At, int Bytes)[] Structures = [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10), (256 << 10, 64 << 10)];

    public static void Fix(IImageFile image)
    {
        byte[] buffer = new byte[64 << 10];
        foreach ((int at, int bytes) in Structures)
        {
            if (image.Length < at + bytes)
            {
                continue;
            }
            Span<byte> structure = buffer.AsSpan(0, bytes);
            image.ReadAt(structure, at);
            structure.Slice(4, 4).Clear();
            WriteUInt32LittleEndian(structure[4..], Of(structure));
            image.WriteAt(structure[..512], at);
        }
    }

    private static uint Of(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        for (int at = 0; at < bytes.Length; at += sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, ReadUInt64LittleEndian(bytes[at..]));
        }
        return ~crc;
    }
}
