// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>The header of an extent of ESX ("COWD", vmfsSparse): four sectors, little-endian; offsets and lengths in sectors.</summary>
/// <param name="Capacity">Sectors of the extent.</param>
/// <param name="GrainSectors">Sectors of a grain: 1 as ESX makes them.</param>
/// <param name="DirectoryAt">Where the grain directory is.</param>
/// <param name="Tables">Its entries.</param>
/// <param name="NextFree">Where ESX puts the next grain or table: nothing behind it is in use.</param>
/// <param name="Unclean">Not 0 while somebody writes.</param>
internal readonly record struct CowdHeader(uint Capacity, uint GrainSectors, uint DirectoryAt, uint Tables, uint NextFree, uint Unclean)
{
    /// <summary>"COWD" as a number.</summary>
    public const uint Magic = 0x44574f43;

    /// <summary>Bytes of the header.</summary>
    public const int Bytes = 2048;

    /// <summary>Entries of every grain table.</summary>
    public const uint TableEntries = 4096;

    /// <summary>Byte offset of <see cref="NextFree"/>.</summary>
    public const int NextFreeAt = 28;

    /// <summary>Byte offset of <see cref="Unclean"/>.</summary>
    public const int UncleanAt = 1648;

    private const int VersionAt = 4;
    private const int FlagsAt = 8;
    private const int CapacityAt = 12;
    private const int GrainSectorsAt = 16;
    private const int DirectoryAtAt = 20;
    private const int TablesAt = 24;
    private const uint UsualFlags = 3;

    /// <summary>Whether the file begins with the magic.</summary>
    public static bool Probe(IImageFile file) => HostedHeader.HasMagic(file, Magic);

    /// <summary>Decodes and judges.</summary>
    /// <exception cref="ImageFormatException">It cannot be true of this file.</exception>
    public static CowdHeader Read(IImageFile file)
    {
        Expect.That(file.Length >= Bytes, file, 0, $"a header of {Bytes} bytes", (ulong)file.Length);
        byte[] header = new byte[Bytes];
        file.ReadAt(header, 0);
        ReadOnlySpan<byte> bytes = header;
        uint version = ReadUInt32LittleEndian(bytes[VersionAt..]);
        Expect.That(ReadUInt32LittleEndian(bytes) == Magic, file, 0, "the magic of an ESX extent, \"COWD\"", ReadUInt32LittleEndian(bytes));
        Expect.That(version == 1, file, VersionAt, "version 1", version);
        CowdHeader decoded = new(
            ReadUInt32LittleEndian(bytes[CapacityAt..]),
            ReadUInt32LittleEndian(bytes[GrainSectorsAt..]),
            ReadUInt32LittleEndian(bytes[DirectoryAtAt..]),
            ReadUInt32LittleEndian(bytes[TablesAt..]),
            ReadUInt32LittleEndian(bytes[NextFreeAt..]),
            ReadUInt32LittleEndian(bytes[UncleanAt..]));
        decoded.Validate(file);
        return decoded;
    }

    /// <summary>Makes an empty extent in an empty file, with grains of one sector, as ESX does. Durable on return.</summary>
    public static void WriteEmpty(IImageFile file, uint sectors)
    {
        uint tables = ((sectors - 1) / TableEntries) + 1;
        uint directorySectors = ((tables * sizeof(uint)) + 511) / 512;
        CowdHeader header = new(sectors, 1, Bytes / 512, tables, (Bytes / 512) + directorySectors, 0);
        byte[] bytes = new byte[Bytes];
        header.Write(bytes);
        file.SetLength(header.NextFree * 512L);
        file.WriteAt(bytes, 0);
        file.Flush();
    }

    /// <summary>Encodes.</summary>
    public void Write(Span<byte> bytes)
    {
        WriteUInt32LittleEndian(bytes, Magic);
        WriteUInt32LittleEndian(bytes[VersionAt..], 1);
        WriteUInt32LittleEndian(bytes[FlagsAt..], UsualFlags);
        WriteUInt32LittleEndian(bytes[CapacityAt..], Capacity);
        WriteUInt32LittleEndian(bytes[GrainSectorsAt..], GrainSectors);
        WriteUInt32LittleEndian(bytes[DirectoryAtAt..], DirectoryAt);
        WriteUInt32LittleEndian(bytes[TablesAt..], Tables);
        WriteUInt32LittleEndian(bytes[NextFreeAt..], NextFree);
        WriteUInt32LittleEndian(bytes[UncleanAt..], Unclean);
    }

    private void Validate(IImageFile file)
    {
        Expect.That(Capacity > 0, file, CapacityAt, "a capacity in sectors", Capacity);
        Expect.That(uint.IsPow2(GrainSectors) && GrainSectors <= HostedHeader.MostGrainSectors, file, GrainSectorsAt, "a power of two of sectors in a grain", GrainSectors);
        ulong needed = (((Capacity - 1UL) / GrainSectors) / TableEntries) + 1;
        Expect.That(Tables >= needed && Tables <= HostedHeader.MostTables, file, TablesAt, $"a grain directory of at least {needed} entries", Tables);
        Expect.That(
            DirectoryAt >= Bytes / 512 && HostedHeader.InsideSectors(DirectoryAt, Tables * (ulong)sizeof(uint), file), file, DirectoryAtAt, "a grain directory inside the file", DirectoryAt);
    }
}
