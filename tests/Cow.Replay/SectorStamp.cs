// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Replay;

/// <summary>What tests/vm/synced.c writes into each sector: 64 little-endian words, of which the first say what it is.</summary>
/// <param name="Block">4 KiB block of the device that it was written to.</param>
/// <param name="Version">Of the write; later ones are larger.</param>
/// <param name="Index">Sector inside the block.</param>
internal readonly record struct SectorStamp(ulong Block, ulong Version, ulong Index)
{
    public const int Bytes = 512;

    /// <summary>"syncedv1".</summary>
    private const ulong Magic = 0x31766465636e7973;

    private const ulong FnvBasis = 0xcbf29ce484222325;
    private const ulong FnvPrime = 0x100000001b3;
    private const int ChecksumWord = 4;

    /// <summary>Null where magic or checksum is wrong.</summary>
    public static SectorStamp? Read(ReadOnlySpan<byte> sector) =>
        ReadUInt64LittleEndian(sector) == Magic && ReadUInt64LittleEndian(sector[(ChecksumWord * 8)..]) == Checksum(sector)
            ? new SectorStamp(ReadUInt64LittleEndian(sector[8..]), ReadUInt64LittleEndian(sector[16..]), ReadUInt64LittleEndian(sector[24..]))
            : null;

    /// <summary>FNV-1a over all words but the checksum.</summary>
    private static ulong Checksum(ReadOnlySpan<byte> sector)
    {
        ulong hash = FnvBasis;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(sector);
        for (int i = 0; i < words.Length; i++)
        {
            hash = i == ChecksumWord ? hash : unchecked((hash ^ words[i]) * FnvPrime);
        }
        return hash;
    }
}
