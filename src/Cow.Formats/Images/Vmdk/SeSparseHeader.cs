// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>The headers of an seSparse extent of ESXi, little-endian; offsets and lengths in sectors. Read only: the journal's format is not public.</summary>
/// <param name="Capacity">Sectors of the extent.</param>
/// <param name="DirectoryAt">Where the grain directory is.</param>
/// <param name="DirectorySectors">How long it is.</param>
/// <param name="TablesAt">Where the grain tables are.</param>
/// <param name="TablesSectors">How long they are.</param>
/// <param name="GrainsAt">Where the grains start.</param>
internal readonly record struct SeSparseHeader(
    ulong Capacity, ulong DirectoryAt, ulong DirectorySectors, ulong TablesAt, ulong TablesSectors, ulong GrainsAt)
{
    /// <summary>The lower half of the constant header's magic; the upper is 0.</summary>
    public const uint Magic = 0xcafebabe;

    /// <summary>Bytes of either header.</summary>
    public const int Bytes = 512;

    private const ulong VolatileMagic = 0xcafecafe;
    private const ulong KnownVersion = 0x0000000200000001;
    private const int VersionAt = 8;
    private const int CapacityAt = 16;
    private const int GrainSectorsAt = 24;
    private const int TableSectorsAt = 32;
    private const int FlagsAt = 40;
    private const int VolatileAtAt = 80;
    private const int DirectoryAtAt = 128;
    private const int DirectorySectorsAt = 136;
    private const int TablesAtAt = 144;
    private const int TablesSectorsAt = 152;
    private const int GrainsAtAt = 192;
    private const int ReplayAt = 24;

    /// <summary>Entries of the grain directory that the capacity needs.</summary>
    public ulong Tables => (((Capacity - 1) / (SeSparseCodec.GrainBytes / 512)) / TableEntries) + 1;

    /// <summary>Entries of a grain table.</summary>
    public const uint TableEntries = SeSparseCodec.TableBytes / sizeof(ulong);

    /// <summary>Whether the file begins with the magic.</summary>
    public static bool Probe(IImageFile file) => HostedHeader.HasMagic(file, Magic);

    /// <summary>Decodes and judges both headers.</summary>
    /// <exception cref="ImageFormatException">They cannot be true of this file, or a journal is to be replayed.</exception>
    public static SeSparseHeader Read(IImageFile file)
    {
        byte[] bytes = new byte[Bytes];
        file.ReadAt(bytes, 0);
        ulong At(int offset) => ReadUInt64LittleEndian(bytes.AsSpan(offset));
        Expect.That(At(0) == Magic, file, 0, "the magic of seSparse", At(0));
        Expect.That(At(VersionAt) == KnownVersion, file, VersionAt, "version 2.1", At(VersionAt));
        Expect.That(At(GrainSectorsAt) == SeSparseCodec.GrainBytes / 512, file, GrainSectorsAt, "8 sectors in a grain", At(GrainSectorsAt));
        Expect.That(At(TableSectorsAt) == SeSparseCodec.TableBytes / 512, file, TableSectorsAt, "64 sectors in a grain table", At(TableSectorsAt));
        Expect.That(At(FlagsAt) == 0, file, FlagsAt, "no flag", At(FlagsAt));
        SeSparseHeader header = new(At(CapacityAt), At(DirectoryAtAt), At(DirectorySectorsAt), At(TablesAtAt), At(TablesSectorsAt), At(GrainsAtAt));
        header.Validate(file);
        ValidateVolatile(file, At(VolatileAtAt));
        return header;
    }

    private void Validate(IImageFile file)
    {
        Expect.That(Capacity is > 0 and <= VmdkDescriptor.MostSectors, file, CapacityAt, "a capacity in sectors", Capacity);
        Expect.That(Tables <= HostedHeader.MostTables && DirectorySectors <= VmdkDescriptor.MostSectors && Tables * sizeof(ulong) <= DirectorySectors * 512, file, DirectorySectorsAt, $"a grain directory of {Tables} entries", DirectorySectors);
        Expect.That(DirectoryAt > 0 && HostedHeader.InsideSectors(DirectoryAt, Tables * sizeof(ulong), file), file, DirectoryAtAt, "a grain directory inside the file", DirectoryAt);
        Expect.That(TablesAt > 0 && TablesAt <= (ulong)file.Length / 512 && TablesSectors <= VmdkDescriptor.MostSectors, file, TablesAtAt, "grain tables inside the file", TablesAt);
        Expect.That(GrainsAt > 0 && GrainsAt <= VmdkDescriptor.MostSectors, file, GrainsAtAt, "grains behind the header", GrainsAt);
    }

    private static void ValidateVolatile(IImageFile file, ulong sector)
    {
        Expect.That(sector > 0 && HostedHeader.InsideSectors(sector, Bytes, file), file, VolatileAtAt, "a volatile header inside the file", sector);
        byte[] bytes = new byte[Bytes];
        long at = (long)sector * 512;
        file.ReadAt(bytes, at);
        ulong magic = ReadUInt64LittleEndian(bytes);
        ulong replay = ReadUInt64LittleEndian(bytes.AsSpan(ReplayAt));
        Expect.That(magic == VolatileMagic, file, at, "the magic of a volatile header", magic);
        Expect.That(replay == 0, file, at + ReplayAt, "a journal without anything to replay: let ESXi open the image once", replay);
    }
}
