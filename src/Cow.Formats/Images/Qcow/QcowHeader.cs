// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow;

/// <summary>The header of a qcow version 1 image, big-endian; with Xen's extension where it has one.</summary>
/// <param name="BackingAt">Byte offset of the backing image's name; 0 for none.</param>
/// <param name="BackingBytes">Bytes of the name.</param>
/// <param name="DiskBytes">Bytes of the disk.</param>
/// <param name="ClusterBits">A cluster has 2^this bytes.</param>
/// <param name="TableBits">A second-level table has 2^this entries.</param>
/// <param name="Encryption">0, or 1 for AES.</param>
/// <param name="DirectoryAt">Byte offset of the first-level table. Not aligned; its length is not stored.</param>
/// <param name="XenFlags">Flags of Xen's extension, or null without one.</param>
internal readonly record struct QcowHeader(
    ulong BackingAt, uint BackingBytes, ulong DiskBytes, byte ClusterBits, byte TableBits, uint Encryption, ulong DirectoryAt, uint? XenFlags)
{
    /// <summary>"QFI" and 0xfb.</summary>
    public const uint Magic = 0x514649fb;

    /// <summary>Bytes without the extension.</summary>
    public const int Bytes = 48;

    /// <summary>Bytes of a backing image's name at most.</summary>
    public const int MostNameBytes = 1023;

    /// <summary>Entries of the first-level table at most: 32 TiB in clusters of 4 KiB with tables of 512.</summary>
    public const ulong MostTables = 1 << 24;

    private const int VersionAt = 4;
    private const int BackingAtAt = 8;
    private const int BackingBytesAt = 16;
    private const int ModifiedAt = 20;
    private const int DiskBytesAt = 24;
    private const int ClusterBitsAt = 32;
    private const int TableBitsAt = 33;
    private const int EncryptionAt = 36;
    private const int DirectoryAtAt = 40;

    /// <summary>"XEN" and 0xfb, which follow the header where the first-level table starts on a page.</summary>
    private const uint XenMagic = 0x58454efb;
    private const int XenPage = 4096;
    private const int XenFlagsAt = Bytes + 12;
    private const int XenBytes = 16;

    /// <summary>Xen's flag that the first-level table is big-endian, as everybody else has it.</summary>
    private const uint XenBigEndian = 2;

    /// <summary>Whether the first-level table is in the byte order of the machine that wrote it: little-endian, where Xen runs.</summary>
    public bool IsDirectoryLittleEndian => XenFlags is { } flags && (flags & XenBigEndian) == 0;

    /// <summary>Bytes of a cluster.</summary>
    public uint ClusterBytes => 1u << ClusterBits;

    /// <summary>Bytes of a second-level table.</summary>
    public ulong TableBytes => sizeof(ulong) * (1ul << TableBits);

    /// <summary>Entries of the first-level table.</summary>
    public ulong Tables => ((DiskBytes - 1) >> (ClusterBits + TableBits)) + 1;

    /// <summary>Bytes of the first-level table.</summary>
    public ulong DirectoryBytes => Tables * sizeof(ulong);

    /// <summary>First byte behind the backing image's name; 0 where there is none, whatever its length is said to be.</summary>
    public ulong BackingEnd => BackingAt == 0 ? 0 : BackingAt + BackingBytes;

    /// <summary>Bytes at the start of the file that are the header's.</summary>
    public int HeaderBytes => XenFlags is null ? Bytes : Bytes + XenBytes;

    /// <summary>Whether the file begins with the header of this version.</summary>
    public static bool Probe(IImageFile file)
    {
        Span<byte> bytes = stackalloc byte[BackingAtAt];
        if (file.Length < Bytes)
        {
            return false;
        }
        file.ReadAt(bytes, 0);
        return ReadUInt32BigEndian(bytes) == Magic && ReadUInt32BigEndian(bytes[VersionAt..]) == 1;
    }

    /// <summary>Decodes and judges.</summary>
    /// <exception cref="ImageFormatException">Not a header of this version, or one that cannot be true of this file.</exception>
    public static QcowHeader Read(IImageFile file)
    {
        Expect.NotEndless(file);
        byte[] bytes = new byte[Bytes + XenBytes];
        Expect.That(file.Length >= Bytes, file, 0, $"a header of {Bytes} bytes", (ulong)file.Length);
        file.ReadAt(bytes.AsSpan(0, (int)Math.Min(bytes.Length, file.Length)), 0);
        Expect.That(ReadUInt32BigEndian(bytes) == Magic, file, 0, "the magic of qcow", ReadUInt32BigEndian(bytes));
        Expect.That(ReadUInt32BigEndian(bytes.AsSpan(VersionAt)) == 1, file, VersionAt, "version 1", ReadUInt32BigEndian(bytes.AsSpan(VersionAt)));
        ulong directory = ReadUInt64BigEndian(bytes.AsSpan(DirectoryAtAt));
        bool xen = directory % XenPage == 0 && ReadUInt32BigEndian(bytes.AsSpan(Bytes)) == XenMagic;
        QcowHeader header = new(
            ReadUInt64BigEndian(bytes.AsSpan(BackingAtAt)),
            ReadUInt32BigEndian(bytes.AsSpan(BackingBytesAt)),
            ReadUInt64BigEndian(bytes.AsSpan(DiskBytesAt)),
            bytes[ClusterBitsAt],
            bytes[TableBitsAt],
            ReadUInt32BigEndian(bytes.AsSpan(EncryptionAt)),
            directory,
            xen ? ReadUInt32BigEndian(bytes.AsSpan(XenFlagsAt)) : null);
        header.Validate(file);
        return header;
    }

    /// <summary>Encodes, without extension.</summary>
    /// <param name="bytes">At least <see cref="Bytes"/>.</param>
    /// <param name="modified">Seconds since 1970; nobody relies on it.</param>
    public void Write(Span<byte> bytes, uint modified)
    {
        WriteUInt32BigEndian(bytes, Magic);
        WriteUInt32BigEndian(bytes[VersionAt..], 1);
        WriteUInt64BigEndian(bytes[BackingAtAt..], BackingAt);
        WriteUInt32BigEndian(bytes[BackingBytesAt..], BackingBytes);
        WriteUInt32BigEndian(bytes[ModifiedAt..], modified);
        WriteUInt64BigEndian(bytes[DiskBytesAt..], DiskBytes);
        bytes[ClusterBitsAt] = ClusterBits;
        bytes[TableBitsAt] = TableBits;
        WriteUInt32BigEndian(bytes[EncryptionAt..], Encryption);
        WriteUInt64BigEndian(bytes[DirectoryAtAt..], DirectoryAt);
    }

    private void Validate(IImageFile file)
    {
        ulong length = (ulong)file.Length;
        Expect.That(ClusterBits is >= 9 and <= 16, file, ClusterBitsAt, "cluster bits from 9 to 16", ClusterBits);
        Expect.That(TableBits is >= 6 and <= 13, file, TableBitsAt, "table bits from 6 to 13", TableBits);
        Expect.That(DiskBytes is > 1 and <= long.MaxValue - (1L << 30), file, DiskBytesAt, "a size of 2 bytes to 2^63 - 2^30", DiskBytes);
        Expect.That(Tables <= MostTables, file, DiskBytesAt, $"a size that takes {MostTables} tables at most", DiskBytes);
        Expect.That(Encryption <= 1, file, EncryptionAt, "encryption 0 or 1", Encryption);
        Expect.That(Encryption == 0, file, EncryptionAt, "an image that is not encrypted; decrypt it with qemu-img convert", Encryption);
        Expect.That(DirectoryAt >= (ulong)HeaderBytes, file, DirectoryAtAt, "a first-level table behind the header", DirectoryAt);
        Expect.That(
            Expect.Inside(DirectoryAt, DirectoryBytes, file.Length), file, DirectoryAtAt, $"a first-level table of {DirectoryBytes} bytes inside the file's {length}", DirectoryAt);
        if (BackingAt == 0)
        {
            return;
        }
        Expect.That(BackingBytes <= MostNameBytes, file, BackingBytesAt, $"a backing image's name of {MostNameBytes} bytes at most", BackingBytes);
        Expect.That(
            BackingAt >= (ulong)HeaderBytes && Expect.Inside(BackingAt, BackingBytes, file.Length), file, BackingAtAt, "a backing image's name behind the header", BackingAt);
    }
}
