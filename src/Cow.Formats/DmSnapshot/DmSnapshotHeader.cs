// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.DmSnapshot;

/// <summary>The header of a persistent exception store: 16 bytes at its start, the rest of chunk 0 is zero (drivers/md/dm-snap-persistent.c, struct disk_header).</summary>
/// <param name="Magic"><see cref="SnapMagic"/>; 0 where nobody has made a store yet.</param>
/// <param name="Valid">0 where the snapshot was invalidated: there is no way back.</param>
/// <param name="Version"><see cref="KnownVersion"/>.</param>
/// <param name="ChunkSectors">Sectors of 512 bytes in a chunk.</param>
internal readonly record struct DmSnapshotHeader(uint Magic, uint Valid, uint Version, uint ChunkSectors)
{
    /// <summary>"SnAp".</summary>
    public const uint SnapMagic = 0x70416e53;

    /// <summary>The only version that there is.</summary>
    public const uint KnownVersion = 1;

    /// <summary>The largest power of two below the kernel's limit of INT_MAX >> 9 sectors (dm_exception_store_set_chunk_size).</summary>
    public const uint MaxChunkSectors = 1 << 21;

    /// <summary>Bytes.</summary>
    public const int Size = 16;

    /// <summary>Offset of <see cref="Magic"/>.</summary>
    public const int MagicAt = 0;

    /// <summary>Offset of <see cref="Valid"/>.</summary>
    public const int ValidAt = 4;

    /// <summary>Offset of <see cref="Version"/>.</summary>
    public const int VersionAt = 8;

    /// <summary>Offset of <see cref="ChunkSectors"/>.</summary>
    public const int ChunkSectorsAt = 12;

    /// <summary>Decodes; judges nothing.</summary>
    public static DmSnapshotHeader Read(ReadOnlySpan<byte> bytes) => new(
        ReadUInt32LittleEndian(bytes[MagicAt..]),
        ReadUInt32LittleEndian(bytes[ValidAt..]),
        ReadUInt32LittleEndian(bytes[VersionAt..]),
        ReadUInt32LittleEndian(bytes[ChunkSectorsAt..]));

    /// <summary>Encodes.</summary>
    public void Write(Span<byte> bytes)
    {
        WriteUInt32LittleEndian(bytes[MagicAt..], Magic);
        WriteUInt32LittleEndian(bytes[ValidAt..], Valid);
        WriteUInt32LittleEndian(bytes[VersionAt..], Version);
        WriteUInt32LittleEndian(bytes[ChunkSectorsAt..], ChunkSectors);
    }

    /// <summary>Judges.</summary>
    /// <param name="file">Name of the store, for the message.</param>
    /// <exception cref="ImageFormatException">Not a store that can be used.</exception>
    public void Validate(string file)
    {
        if (Magic != SnapMagic)
        {
            string found = Magic == 0 ? "0: nobody has made a store here yet" : $"0x{Magic:x8}";
            throw new ImageFormatException(file, MagicAt, "the magic of a dm-snapshot store, \"SnAp\"", found);
        }
        if (Version != KnownVersion)
        {
            throw new ImageFormatException(file, VersionAt, $"version {KnownVersion}", $"{Version}");
        }
        if (Valid == 0)
        {
            throw new ImageFormatException(file, ValidAt, "a valid snapshot", "0: it was invalidated when its store overflowed or could not be written");
        }
        if (!uint.IsPow2(ChunkSectors) || ChunkSectors > MaxChunkSectors)
        {
            throw new ImageFormatException(file, ChunkSectorsAt, $"a chunk of a power of two of sectors, {MaxChunkSectors} at most", $"{ChunkSectors}");
        }
    }
}
