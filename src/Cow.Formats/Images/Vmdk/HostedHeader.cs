// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>The header of a hosted sparse extent ("KDMV"): one sector, little-endian; offsets and lengths in sectors.</summary>
/// <param name="Version">1, 2 (grains of zeros), or 3 (compressed, or with changes tracked).</param>
/// <param name="Flags">See <see cref="HostedFlags"/>.</param>
/// <param name="Capacity">Sectors of the extent.</param>
/// <param name="GrainSectors">Sectors of a grain.</param>
/// <param name="DescriptorAt">Where the embedded descriptor is; 0 for none.</param>
/// <param name="DescriptorSectors">How long it is.</param>
/// <param name="TableEntries">Entries of a grain table.</param>
/// <param name="MirrorAt">Where the redundant grain directory is.</param>
/// <param name="DirectoryAt">Where the grain directory is; <see cref="AtEnd"/> where a copy of the header at the end of the file says it.</param>
/// <param name="Overhead">Where the first grain may be.</param>
/// <param name="Unclean">Not 0 while somebody writes.</param>
/// <param name="Compression">0, or 1 for deflate.</param>
internal readonly record struct HostedHeader(
    uint Version,
    HostedFlags Flags,
    ulong Capacity,
    ulong GrainSectors,
    ulong DescriptorAt,
    ulong DescriptorSectors,
    uint TableEntries,
    ulong MirrorAt,
    ulong DirectoryAt,
    ulong Overhead,
    byte Unclean,
    ushort Compression)
{
    /// <summary>"KDMV" as a number.</summary>
    public const uint Magic = 0x564d444b;

    /// <summary>Bytes of the header.</summary>
    public const int Bytes = 512;

    /// <summary><see cref="DirectoryAt"/> where the header does not know it.</summary>
    public const ulong AtEnd = ulong.MaxValue;

    /// <summary>Byte offset of <see cref="Unclean"/>.</summary>
    public const int UncleanAt = 72;

    /// <summary>Sectors of a grain at most: 1 GiB.</summary>
    public const ulong MostGrainSectors = 1 << 21;

    /// <summary>Entries of a grain table at most, and usually.</summary>
    public const uint MostTableEntries = 512;

    /// <summary>Entries of a grain directory at most.</summary>
    public const ulong MostTables = 32 << 20;

    private const int VersionAt = 4;
    private const int FlagsAt = 8;
    private const int CapacityAt = 12;
    private const int GrainSectorsAt = 20;
    private const int DescriptorAtAt = 28;
    private const int DescriptorSectorsAt = 36;
    private const int TableEntriesAt = 44;
    private const int MirrorAtAt = 48;
    private const int DirectoryAtAt = 56;
    private const int OverheadAt = 64;
    private const int NewLinesAt = 73;
    private const int CompressionAt = 77;

    /// <summary>From the end of the file back to the copy of the header.</summary>
    private const int FooterFromEnd = 1024;

    /// <summary>What a transfer as text would have changed.</summary>
    private static ReadOnlySpan<byte> NewLines => "\n \r\n"u8;

    /// <summary>Entries of the grain directory.</summary>
    public ulong Tables => (((Capacity - 1) / GrainSectors) / TableEntries) + 1;

    /// <summary>Whether grains are compressed.</summary>
    public bool IsPacked => (Flags & HostedFlags.Packed) != 0;

    /// <summary>Whether there is a redundant directory.</summary>
    public bool HasMirror => (Flags & HostedFlags.Mirror) != 0;

    /// <summary>Whether the file begins with the magic.</summary>
    public static bool Probe(IImageFile file) => HasMagic(file, Magic);

    /// <summary>Whether a file begins with a magic of 4 bytes.</summary>
    public static bool HasMagic(IImageFile file, uint magic)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        if (file.Length < Bytes)
        {
            return false;
        }
        file.ReadAt(bytes, 0);
        return ReadUInt32LittleEndian(bytes) == magic;
    }

    /// <summary>Decodes and judges the header, and the copy at the end where that has what the header has not.</summary>
    /// <exception cref="ImageFormatException">It cannot be true of this file.</exception>
    public static HostedHeader Read(IImageFile file)
    {
        HostedHeader header = ReadAt(file, 0);
        header.Validate(file, 0);
        if (header.DirectoryAt == AtEnd)
        {
            long at = file.Length - FooterFromEnd;
            Expect.That(header.IsPacked && at >= Bytes, file, DirectoryAtAt, "a grain directory, or a footer in a compressed extent that says where it is", header.DirectoryAt);
            HostedHeader footer = ReadAt(file, at);
            footer.Validate(file, at);
            bool agree = footer with { DirectoryAt = AtEnd, MirrorAt = header.MirrorAt, Unclean = header.Unclean } == header && footer.DirectoryAt != AtEnd;
            Expect.That(agree, file, at, "a footer that says where the grain directory is, and otherwise what the header says", "another one");
            header = footer;
        }
        Expect.That(
            header.DirectoryAt > 0 && InsideSectors(header.DirectoryAt, header.Tables * sizeof(uint), file), file, DirectoryAtAt, $"a grain directory of {header.Tables} entries inside the file", header.DirectoryAt);
        return header;
    }

    /// <summary>Encodes.</summary>
    public void Write(Span<byte> sector)
    {
        WriteUInt32LittleEndian(sector, Magic);
        WriteUInt32LittleEndian(sector[VersionAt..], Version);
        WriteUInt32LittleEndian(sector[FlagsAt..], (uint)Flags);
        WriteUInt64LittleEndian(sector[CapacityAt..], Capacity);
        WriteUInt64LittleEndian(sector[GrainSectorsAt..], GrainSectors);
        WriteUInt64LittleEndian(sector[DescriptorAtAt..], DescriptorAt);
        WriteUInt64LittleEndian(sector[DescriptorSectorsAt..], DescriptorSectors);
        WriteUInt32LittleEndian(sector[TableEntriesAt..], TableEntries);
        WriteUInt64LittleEndian(sector[MirrorAtAt..], MirrorAt);
        WriteUInt64LittleEndian(sector[DirectoryAtAt..], DirectoryAt);
        WriteUInt64LittleEndian(sector[OverheadAt..], Overhead);
        sector[UncleanAt] = Unclean;
        NewLines.CopyTo(sector[NewLinesAt..]);
        WriteUInt16LittleEndian(sector[CompressionAt..], Compression);
    }

    /// <summary>Whether a range lies inside a file.</summary>
    public static bool InsideSectors(ulong sector, ulong bytes, IImageFile file) =>
        sector <= long.MaxValue / 512 && Expect.Inside(sector * 512, bytes, file.Length);

    private static HostedHeader ReadAt(IImageFile file, long at)
    {
        byte[] sector = new byte[Bytes];
        file.ReadAt(sector, at);
        ReadOnlySpan<byte> bytes = sector;
        Expect.That(ReadUInt32LittleEndian(bytes) == Magic, file, at, "the magic of a sparse extent, \"KDMV\"", ReadUInt32LittleEndian(bytes));
        HostedHeader header = new(
            ReadUInt32LittleEndian(bytes[VersionAt..]),
            (HostedFlags)ReadUInt32LittleEndian(bytes[FlagsAt..]),
            ReadUInt64LittleEndian(bytes[CapacityAt..]),
            ReadUInt64LittleEndian(bytes[GrainSectorsAt..]),
            ReadUInt64LittleEndian(bytes[DescriptorAtAt..]),
            ReadUInt64LittleEndian(bytes[DescriptorSectorsAt..]),
            ReadUInt32LittleEndian(bytes[TableEntriesAt..]),
            ReadUInt64LittleEndian(bytes[MirrorAtAt..]),
            ReadUInt64LittleEndian(bytes[DirectoryAtAt..]),
            ReadUInt64LittleEndian(bytes[OverheadAt..]),
            bytes[UncleanAt],
            ReadUInt16LittleEndian(bytes[CompressionAt..]));
        bool intact = (header.Flags & HostedFlags.NewLines) == 0 || bytes[NewLinesAt..].StartsWith(NewLines);
        Expect.That(intact, file, at + NewLinesAt, "line ends as they were written", "others: the file was transferred as text");
        return header;
    }

    private void Validate(IImageFile file, long at)
    {
        Expect.That(Version is >= 1 and <= 3, file, at + VersionAt, "version 1 to 3", Version);
        Expect.That(Capacity is > 0 and <= VmdkDescriptor.MostSectors, file, at + CapacityAt, "a capacity in sectors", Capacity);
        Expect.That(ulong.IsPow2(GrainSectors) && GrainSectors <= MostGrainSectors, file, at + GrainSectorsAt, "a power of two of sectors in a grain", GrainSectors);
        Expect.That(TableEntries is > 0 and <= MostTableEntries, file, at + TableEntriesAt, $"1 to {MostTableEntries} entries in a grain table", TableEntries);
        Expect.That(Tables <= MostTables, file, at + CapacityAt, $"a capacity that takes {MostTables} grain tables at most", Capacity);
        Expect.That(Compression == (IsPacked ? 1 : 0), file, at + CompressionAt, "deflate for compressed grains, none for others", Compression);
        Expect.That(InsideSectors(Overhead, 0, file), file, at + OverheadAt, "a file that is not cut in its metadata", Overhead);
        Expect.That(
            DescriptorSectors <= VmdkDescriptor.MostBytes / 512 && (DescriptorAt == 0 || InsideSectors(DescriptorAt, DescriptorSectors * 512, file)),
            file,
            at + DescriptorAtAt,
            "a descriptor inside the file",
            DescriptorAt);
        Expect.That(
            !HasMirror || IsPacked || (MirrorAt > 0 && InsideSectors(MirrorAt, Tables * sizeof(uint), file)), file, at + MirrorAtAt, "a redundant grain directory inside the file", MirrorAt);
    }
}
