// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Makes empty hosted sparse extents: header, descriptor, redundant directory and tables, directory and tables, then grains.</summary>
internal static class HostedCreation
{
    /// <summary>Sectors of a grain.</summary>
    public const ulong GrainSectors = 128;

    /// <summary>Sectors for an embedded descriptor.</summary>
    public const int DescriptorSectors = 20;

    private const ulong TableSectors = HostedHeader.MostTableEntries * sizeof(uint) / 512;

    /// <summary>Writes an extent into an empty file. Durable on return.</summary>
    /// <param name="file">A file that grows; what was not written in it reads as zeros.</param>
    /// <param name="sectors">Sectors of the extent.</param>
    /// <param name="zeroed">Whether grains of zeros can be told.</param>
    /// <param name="descriptor">The embedded descriptor, or null.</param>
    public static void Write(IImageFile file, ulong sectors, bool zeroed, byte[]? descriptor)
    {
        ulong mirrorAt = descriptor is null ? 1 : 1 + (ulong)DescriptorSectors;
        HostedHeader header = new(
            zeroed ? 2u : 1u,
            HostedFlags.NewLines | HostedFlags.Mirror | (zeroed ? HostedFlags.Zeroed : HostedFlags.None),
            sectors,
            GrainSectors,
            descriptor is null ? 0 : 1ul,
            descriptor is null ? 0 : (ulong)DescriptorSectors,
            HostedHeader.MostTableEntries,
            mirrorAt,
            0,
            0,
            0,
            0);
        ulong directorySectors = ((header.Tables * sizeof(uint)) + 511) / 512;
        ulong copySectors = directorySectors + (header.Tables * TableSectors);
        ulong end = mirrorAt + (2 * copySectors);
        header = header with { DirectoryAt = mirrorAt + copySectors, Overhead = (end + GrainSectors - 1) / GrainSectors * GrainSectors };

        file.SetLength((long)header.Overhead * 512);
        WriteDirectory(file, header.MirrorAt, directorySectors, header.Tables);
        WriteDirectory(file, header.DirectoryAt, directorySectors, header.Tables);
        if (descriptor is not null)
        {
            byte[] padded = new byte[DescriptorSectors * 512];
            descriptor.CopyTo(padded, 0);
            file.WriteAt(padded, 512);
        }
        byte[] sector = new byte[HostedHeader.Bytes];
        header.Write(sector);
        file.WriteAt(sector, 0);
        file.Flush();
    }

    private static void WriteDirectory(IImageFile file, ulong at, ulong sectors, ulong tables)
    {
        byte[] directory = new byte[(int)sectors * 512];
        for (ulong table = 0; table < tables; table++)
        {
            WriteUInt32LittleEndian(directory.AsSpan((int)table * sizeof(uint)), (uint)(at + sectors + (table * TableSectors)));
        }
        file.WriteAt(directory, (long)at * 512);
    }
}
