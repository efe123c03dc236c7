// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests;

/// <summary>What a test writes to a sector of the disk: which sector it is, and how often any was written before.</summary>
internal static class Stamp
{
    public const int Bytes = 512;

    public static byte[] Of(ulong sector, ulong version)
    {
        byte[] bytes = new byte[Bytes];
        Fill(bytes, sector, version);
        return bytes;
    }

    /// <summary>Whether bytes are this stamp.</summary>
    public static bool Is(ReadOnlySpan<byte> bytes, ulong sector, ulong version)
    {
        Span<byte> stamp = stackalloc byte[Bytes];
        Fill(stamp, sector, version);
        return bytes.SequenceEqual(stamp);
    }

    /// <summary>The version, after it was made sure that the bytes are a stamp of this sector.</summary>
    public static ulong VersionOf(ReadOnlySpan<byte> bytes, ulong sector)
    {
        ulong version = ReadUInt64LittleEndian(bytes[8..]);
        if (!Is(bytes, sector, version & uint.MaxValue))
        {
            // Not Assert.That: this is asked millions of times.
            Assert.Fail($"sector {sector} reads sector {ReadUInt64LittleEndian(bytes)}, version {version}");
        }
        return version;
    }

    private static void Fill(Span<byte> bytes, ulong sector, ulong version)
    {
        bytes.Fill(unchecked((byte)((sector * 31) + version)));
        WriteUInt64LittleEndian(bytes, sector);
        WriteUInt64LittleEndian(bytes[8..], version);
    }
}
