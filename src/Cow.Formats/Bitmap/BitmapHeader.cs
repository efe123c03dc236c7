// SPDX-License-Identifier: MIT
using System.Numerics;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Bitmap;

/// <summary>The header of a bitmap overlay or layer: one sector, little-endian, written once.</summary>
/// <param name="Version"><see cref="KnownVersion"/>.</param>
/// <param name="Flags">None is known: any set bit refuses the store.</param>
/// <param name="ChunkSectors">Sectors of 512 bytes in a chunk.</param>
/// <param name="VirtualSize">Bytes of the disk.</param>
/// <param name="DataOffset">Bytes from the start of the store to the data of chunk 0: 0 where the bitmap has a file of its own.</param>
/// <param name="Generation">1 directly over the base, one more with each layer.</param>
/// <param name="Below"><see cref="BitmapFile.Fingerprint"/> of the layer below, 0 over the base: a layer that changed since is refused.</param>
internal readonly record struct BitmapHeader(
    uint Version, uint Flags, uint ChunkSectors, ulong VirtualSize, ulong DataOffset, ulong Generation, uint Below)
{
    /// <summary>"dmcowmap".</summary>
    public const ulong MapMagic = 0x70616d776f636d64;

    /// <summary>The only version that there is.</summary>
    public const uint KnownVersion = 1;

    /// <summary>Bytes: what a device writes whole or not at all.</summary>
    public const int Size = 512;

    /// <summary>Byte offset of the bitmap, in the same file.</summary>
    public const int BitmapAt = 4096;

    private const int MagicAt = 0;
    private const int VersionAt = 8;
    private const int FlagsAt = 12;
    private const int ChunkSectorsAt = 16;
    private const int BelowAt = 20;
    private const int VirtualSizeAt = 24;
    private const int DataOffsetAt = 32;
    private const int GenerationAt = 40;
    private const int ChecksumAt = Size - sizeof(uint);

    /// <summary>Chunks of the disk, the last perhaps odd.</summary>
    public ulong Chunks => ((VirtualSize - 1) / (ChunkSectors * 512UL)) + 1;

    /// <summary>Bytes of the bitmap: whole sectors.</summary>
    public ulong BitmapBytes => ((Chunks - 1) / BitmapFile.SectorBits + 1) * Size;

    /// <summary>Sector of a chunk's data on the store.</summary>
    public ulong SectorOf(ulong chunk) => (DataOffset / 512) + (chunk * ChunkSectors);

    /// <summary>Whether a sector begins with the magic.</summary>
    public static bool HasMagic(ReadOnlySpan<byte> sector) => ReadUInt64LittleEndian(sector[MagicAt..]) == MapMagic;

    /// <summary>Decodes and judges a sector.</summary>
    /// <param name="sector">The sector.</param>
    /// <param name="file">Name of its file, for messages.</param>
    /// <exception cref="ImageFormatException">Not a header that this version understands.</exception>
    public static BitmapHeader Read(ReadOnlySpan<byte> sector, string file)
    {
        Require(HasMagic(sector), file, MagicAt, "the magic of a bitmap store, \"dmcowmap\"", ReadUInt64LittleEndian(sector[MagicAt..]));
        uint checksum = ReadUInt32LittleEndian(sector[ChecksumAt..]);
        Require(checksum == Checksum(sector[..ChecksumAt]), file, ChecksumAt, "the header's CRC-32C", checksum);
        BitmapHeader header = new(
            ReadUInt32LittleEndian(sector[VersionAt..]),
            ReadUInt32LittleEndian(sector[FlagsAt..]),
            ReadUInt32LittleEndian(sector[ChunkSectorsAt..]),
            ReadUInt64LittleEndian(sector[VirtualSizeAt..]),
            ReadUInt64LittleEndian(sector[DataOffsetAt..]),
            ReadUInt64LittleEndian(sector[GenerationAt..]),
            ReadUInt32LittleEndian(sector[BelowAt..]));
        header.Validate(file);
        return header;
    }

    /// <summary>Encodes, with checksum.</summary>
    public void Write(Span<byte> sector)
    {
        WriteUInt64LittleEndian(sector[MagicAt..], MapMagic);
        WriteUInt32LittleEndian(sector[VersionAt..], Version);
        WriteUInt32LittleEndian(sector[FlagsAt..], Flags);
        WriteUInt32LittleEndian(sector[ChunkSectorsAt..], ChunkSectors);
        WriteUInt32LittleEndian(sector[BelowAt..], Below);
        WriteUInt64LittleEndian(sector[VirtualSizeAt..], VirtualSize);
        WriteUInt64LittleEndian(sector[DataOffsetAt..], DataOffset);
        WriteUInt64LittleEndian(sector[GenerationAt..], Generation);
        WriteUInt32LittleEndian(sector[ChecksumAt..], Checksum(sector[..ChecksumAt]));
    }

    /// <summary>CRC-32C (RFC 3720, appendix B.4).</summary>
    public static uint Checksum(ReadOnlySpan<byte> bytes, uint before = 0)
    {
        uint crc = ~before;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, ReadUInt64LittleEndian(bytes));
        }
        foreach (byte b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }
        return ~crc;
    }

    private void Validate(string file)
    {
        Require(Version == KnownVersion, file, VersionAt, $"version {KnownVersion}", Version);
        Require(Flags == 0, file, FlagsAt, "no flag that this version does not know", Flags);
        Require(uint.IsPow2(ChunkSectors) && ChunkSectors <= BitmapDriver.ChunkLimit, file, ChunkSectorsAt, "a power of two of sectors in a chunk", ChunkSectors);
        Require(VirtualSize is > 0 and <= long.MaxValue && VirtualSize % 512 == 0, file, VirtualSizeAt, "a size in whole sectors", VirtualSize);
        Require(Chunks <= BitmapDriver.MaxChunks, file, VirtualSizeAt, $"{BitmapDriver.MaxChunks} chunks at most", Chunks);
        Require(DataOffset % (ChunkSectors * 512UL) == 0 && DataOffset <= long.MaxValue - VirtualSize, file, DataOffsetAt, "an offset in whole chunks", DataOffset);
        Require(DataOffset == 0 || DataOffset >= BitmapAt + BitmapBytes, file, DataOffsetAt, "data behind the bitmap", DataOffset);
    }

    private static void Require(bool condition, string file, int offset, string expected, ulong found)
    {
        if (!condition)
        {
            throw new ImageFormatException(file, offset, expected, $"{found} (0x{found:x})");
        }
    }
}
