// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>The header of a qcow2 image: big-endian, versions 2 and 3 (QEMU, docs/interop/qcow2.txt, "Header").</summary>
/// <remarks>It is encoded whole only when an image is made; later single fields change in place, all of them in the first sector.</remarks>
internal sealed record Qcow2Header
{
    /// <summary>"QFI\xfb".</summary>
    public const uint Magic = 0x514649fb;

    public const int BackingOffsetAt = 8;
    public const int L1EntriesAt = 36;
    public const int RefcountTableAt = 48;
    public const int SnapshotsAt = 60;
    public const int IncompatibleAt = 72;
    public const int AutoclearAt = 88;

    /// <summary>Bytes of version 2, and the least of version 3.</summary>
    public const int Version2Bytes = 72;

    /// <summary>The least that version 3 may have.</summary>
    public const int Version3Bytes = 104;

    /// <summary>Bytes of version 3 with the compression type, padded: what we write.</summary>
    public const int FullBytes = 112;

    /// <summary>The longest backing or data file name.</summary>
    public const int MaxNameBytes = 1023;

    /// <summary>QEMU opens no larger L1 table.</summary>
    public const ulong MaxL1Bytes = 32 << 20;

    /// <summary>QEMU opens no larger refcount table.</summary>
    public const ulong MaxRefcountTableBytes = 8 << 20;

    /// <summary>QEMU opens no image with more snapshots.</summary>
    public const uint MaxSnapshots = 65536;

    private const int VersionAt = 4;
    private const int BackingLengthAt = 16;
    private const int ClusterBitsAt = 20;
    private const int SizeAt = 24;
    private const int CryptMethodAt = 32;
    private const int L1OffsetAt = 40;
    private const int RefcountTableClustersAt = 56;
    private const int SnapshotsOffsetAt = 64;
    private const int CompatibleAt = 80;
    private const int RefcountOrderAt = 96;
    private const int HeaderLengthAt = 100;
    private const int CompressionTypeAt = 104;

    /// <summary>Offsets above are used by nobody, and sums of two below do not overflow.</summary>
    private const ulong MaxOffset = 1UL << 56;

    public uint Version { get; init; }

    public ulong BackingOffset { get; init; }

    public uint BackingLength { get; init; }

    public uint ClusterBits { get; init; }

    /// <summary>Bytes of the disk, not necessarily whole sectors.</summary>
    public ulong Size { get; init; }

    public uint CryptMethod { get; init; }

    public uint L1Entries { get; init; }

    public ulong L1Offset { get; init; }

    public ulong RefcountTableOffset { get; init; }

    public uint RefcountTableClusters { get; init; }

    public uint SnapshotCount { get; init; }

    public ulong SnapshotsOffset { get; init; }

    public IncompatibleFeatures Incompatible { get; init; }

    public CompatibleFeatures Compatible { get; init; }

    public AutoclearFeatures Autoclear { get; init; }

    public uint RefcountOrder { get; init; }

    public uint HeaderLength { get; init; }

    public CompressionType Compression { get; init; }

    public bool Has(IncompatibleFeatures feature) => (Incompatible & feature) != 0;

    public bool Has(AutoclearFeatures feature) => (Autoclear & feature) != 0;

    public ulong ClusterBytes => 1UL << (int)ClusterBits;

    /// <summary>Whether a file begins as a qcow2 image does; version 1 is another format.</summary>
    public static bool HasMagic(ReadOnlySpan<byte> start) => ReadUInt32BigEndian(start) == Magic && ReadUInt32BigEndian(start[VersionAt..]) != 1;

    /// <summary>Decodes; judges nothing.</summary>
    /// <param name="bytes">At least <see cref="FullBytes"/> bytes, zeros behind the end of the file.</param>
    public static Qcow2Header Read(ReadOnlySpan<byte> bytes)
    {
        Qcow2Header header = new()
        {
            Version = ReadUInt32BigEndian(bytes[VersionAt..]),
            BackingOffset = ReadUInt64BigEndian(bytes[BackingOffsetAt..]),
            BackingLength = ReadUInt32BigEndian(bytes[BackingLengthAt..]),
            ClusterBits = ReadUInt32BigEndian(bytes[ClusterBitsAt..]),
            Size = ReadUInt64BigEndian(bytes[SizeAt..]),
            CryptMethod = ReadUInt32BigEndian(bytes[CryptMethodAt..]),
            L1Entries = ReadUInt32BigEndian(bytes[L1EntriesAt..]),
            L1Offset = ReadUInt64BigEndian(bytes[L1OffsetAt..]),
            RefcountTableOffset = ReadUInt64BigEndian(bytes[RefcountTableAt..]),
            RefcountTableClusters = ReadUInt32BigEndian(bytes[RefcountTableClustersAt..]),
            SnapshotCount = ReadUInt32BigEndian(bytes[SnapshotsAt..]),
            SnapshotsOffset = ReadUInt64BigEndian(bytes[SnapshotsOffsetAt..]),
            RefcountOrder = 4,
            HeaderLength = Version2Bytes,
        };
        return header.Version < 3 ? header : ReadVersion3(header, bytes);
    }

    /// <summary>Encodes.</summary>
    /// <param name="bytes">At least <see cref="HeaderLength"/> bytes, cleared.</param>
    public void Write(Span<byte> bytes)
    {
        WriteUInt32BigEndian(bytes, Magic);
        WriteUInt32BigEndian(bytes[VersionAt..], Version);
        WriteUInt64BigEndian(bytes[BackingOffsetAt..], BackingOffset);
        WriteUInt32BigEndian(bytes[BackingLengthAt..], BackingLength);
        WriteUInt32BigEndian(bytes[ClusterBitsAt..], ClusterBits);
        WriteUInt64BigEndian(bytes[SizeAt..], Size);
        WriteUInt32BigEndian(bytes[CryptMethodAt..], CryptMethod);
        WriteMoved(bytes);
        if (Version >= 3)
        {
            WriteUInt64BigEndian(bytes[IncompatibleAt..], (ulong)Incompatible);
            WriteUInt64BigEndian(bytes[CompatibleAt..], (ulong)Compatible);
            WriteUInt64BigEndian(bytes[AutoclearAt..], (ulong)Autoclear);
            WriteUInt32BigEndian(bytes[RefcountOrderAt..], RefcountOrder);
            WriteUInt32BigEndian(bytes[HeaderLengthAt..], HeaderLength);
            bytes[CompressionTypeAt] = (byte)Compression;
        }
    }

    /// <summary>Encodes into an existing header the fields that change while an image lives: feature bits, size, and where the tables are.</summary>
    /// <param name="sector">The first sector of the image.</param>
    public void WriteChanged(Span<byte> sector)
    {
        WriteUInt64BigEndian(sector[SizeAt..], Size);
        WriteMoved(sector);
        if (Version >= 3)
        {
            WriteUInt64BigEndian(sector[IncompatibleAt..], (ulong)Incompatible);
            WriteUInt64BigEndian(sector[AutoclearAt..], (ulong)Autoclear);
        }
    }

    /// <summary>Judges what concerns the header alone: version, sizes, features, and where tables may begin.</summary>
    /// <param name="file">Name of its file, for messages.</param>
    /// <param name="featureName">Name of an incompatible bit that we do not know, as the image calls it.</param>
    /// <exception cref="ImageFormatException">It is not a header that we understand.</exception>
    public void Validate(string file, Func<int, string> featureName)
    {
        Require(Version is 2 or 3, file, VersionAt, "version 2 or 3", Version);
        Require(ClusterBits is >= 9 and <= 21, file, ClusterBitsAt, "clusters of 2^9 to 2^21 bytes", ClusterBits);
        Require(Version == 2 || (HeaderLength >= Version3Bytes && HeaderLength % 8 == 0 && HeaderLength <= ClusterBytes), file, HeaderLengthAt, "a header of 104 bytes or more, in eights, inside a cluster", HeaderLength);
        ValidateFeatures(file, featureName);
        Require(RefcountOrder <= 6, file, RefcountOrderAt, "refcounts of 2^0 to 2^6 bits", RefcountOrder);
        Require(Size < MaxOffset << 5, file, SizeAt, "a size below 2^61", Size);
        RequireTable(file, L1OffsetAt, L1Offset, L1Entries * 8UL, MaxL1Bytes, "L1 table");
        Require((ulong)L1Entries << L1Shift >= Size, file, L1EntriesAt, $"an L1 table for {Size} bytes", L1Entries);
        RequireTable(file, RefcountTableAt, RefcountTableOffset, RefcountTableClusters * ClusterBytes, MaxRefcountTableBytes, "refcount table");
        Require(SnapshotCount <= MaxSnapshots, file, SnapshotsAt, $"{MaxSnapshots} snapshots at most", SnapshotCount);
        RequireTable(file, SnapshotsOffsetAt, SnapshotsOffset, SnapshotCount, MaxSnapshots, "snapshot table");
        bool named = BackingLength > 0;
        Require(named == (BackingOffset > 0), file, BackingOffsetAt, "offset and length of a backing file name, or neither", BackingOffset);
        Require(BackingLength <= MaxNameBytes, file, BackingLengthAt, $"a backing file name of {MaxNameBytes} bytes at most", BackingLength);
        Require(!named || (BackingOffset >= HeaderLength && BackingOffset <= ClusterBytes && BackingOffset + BackingLength <= ClusterBytes), file, BackingOffsetAt, "a backing file name behind the header, in the first cluster", BackingOffset);
    }

    private int L1Shift => (int)ClusterBits + (int)ClusterBits - (Has(IncompatibleFeatures.ExtendedL2) ? 4 : 3);

    private static Qcow2Header ReadVersion3(Qcow2Header header, ReadOnlySpan<byte> bytes)
    {
        uint length = ReadUInt32BigEndian(bytes[HeaderLengthAt..]);
        return header with
        {
            Incompatible = (IncompatibleFeatures)ReadUInt64BigEndian(bytes[IncompatibleAt..]),
            Compatible = (CompatibleFeatures)ReadUInt64BigEndian(bytes[CompatibleAt..]),
            Autoclear = (AutoclearFeatures)ReadUInt64BigEndian(bytes[AutoclearAt..]),
            RefcountOrder = ReadUInt32BigEndian(bytes[RefcountOrderAt..]),
            HeaderLength = length,
            Compression = length > CompressionTypeAt ? (CompressionType)bytes[CompressionTypeAt] : CompressionType.Deflate,
        };
    }

    private void WriteMoved(Span<byte> bytes)
    {
        WriteUInt32BigEndian(bytes[L1EntriesAt..], L1Entries);
        WriteUInt64BigEndian(bytes[L1OffsetAt..], L1Offset);
        WriteUInt64BigEndian(bytes[RefcountTableAt..], RefcountTableOffset);
        WriteUInt32BigEndian(bytes[RefcountTableClustersAt..], RefcountTableClusters);
        WriteUInt32BigEndian(bytes[SnapshotsAt..], SnapshotCount);
        WriteUInt64BigEndian(bytes[SnapshotsOffsetAt..], SnapshotsOffset);
    }

    private void ValidateFeatures(string file, Func<int, string> featureName)
    {
        ulong unknown = (ulong)(Incompatible & ~IncompatibleFeatures.Known);
        if (unknown != 0)
        {
            IEnumerable<string> names = Enumerable.Range(0, 64).Where(bit => ((unknown >> bit) & 1) != 0).Select(featureName);
            throw new ImageFormatException(file, IncompatibleAt, "no incompatible feature that we do not know", string.Join(", ", names));
        }
        Require(CryptMethod == 0, file, CryptMethodAt, "no encryption, which this driver does not do (1 is AES, 2 is LUKS)", CryptMethod);
        Require(Compression <= CompressionType.Zstd, file, CompressionTypeAt, "compression type 0 (deflate) or 1 (zstd)", (ulong)Compression);
        Require(Has(IncompatibleFeatures.CompressionType) == (Compression != CompressionType.Deflate), file, CompressionTypeAt, "a compression type that agrees with incompatible bit 3", (ulong)Compression);
        Require(!Has(IncompatibleFeatures.ExtendedL2) || ClusterBits >= 14, file, ClusterBitsAt, "clusters of 2^14 bytes or more with extended L2 entries", ClusterBits);
        Require(!Has(AutoclearFeatures.RawDataFile) || Has(IncompatibleFeatures.DataFile), file, AutoclearAt, "a data file where one is called raw", (ulong)Autoclear);
    }

    private void RequireTable(string file, int at, ulong offset, ulong bytes, ulong limit, string name)
    {
        Require(bytes <= limit, file, at, $"a {name} of {limit} bytes or entries at most", bytes);
        Require(offset % ClusterBytes == 0 && offset < MaxOffset, file, at, $"a {name} that begins a cluster", offset);
        Require(bytes == 0 || offset > 0, file, at, $"a {name} behind the header", offset);
    }

    private static void Require(bool condition, string file, int offset, string expected, ulong found)
    {
        if (!condition)
        {
            throw new ImageFormatException(file, offset, expected, $"{found} (0x{found:x})");
        }
    }
}
