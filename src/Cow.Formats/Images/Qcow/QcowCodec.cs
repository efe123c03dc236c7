// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow;

/// <summary>
/// Entries of qcow's tables: 64 bits, big-endian. An entry for a cluster is its byte offset; with the highest bit set it is compressed: then as many
/// bits as a cluster's size has say how many bytes it takes, and the low ones where they start, on any byte.
/// </summary>
internal sealed class QcowCodec(QcowHeader header) : TableCodec
{
    private const ulong Compressed = 1UL << 63;

    private readonly int _offsetBits = 63 - header.ClusterBits;
    private readonly long _clusterBytes = header.ClusterBytes;
    private readonly bool _directoryLittleEndian = header.IsDirectoryLittleEndian;

    public override int EntryBytes => sizeof(ulong);

    public override string Expected => "a cluster at a multiple of 512 bytes, or one that is compressed into some bytes";

    public override ulong Load(ReadOnlySpan<byte> entry) => ReadUInt64BigEndian(entry);

    public override ulong LoadDirectory(ReadOnlySpan<byte> entry) => _directoryLittleEndian ? ReadUInt64LittleEndian(entry) : ReadUInt64BigEndian(entry);

    public override void Store(Span<byte> entry, ulong value) => WriteUInt64BigEndian(entry, value);

    public override long TableOffset(ulong entry) => entry > long.MaxValue || entry % 512 != 0 ? -1 : (long)entry;

    public override ulong DirectoryEntry(long tableOffset) => (ulong)tableOffset;

    public override ulong Encode(long offset) => (ulong)offset;

    /// <summary>Compressed bytes lie before this byte of the file.</summary>
    public long PackedLimit => 1L << _offsetBits;

    /// <summary>The entry of a compressed cluster.</summary>
    /// <param name="offset">Byte offset, before <see cref="PackedLimit"/>.</param>
    /// <param name="bytes">How many it takes: fewer than a cluster.</param>
    public ulong EncodePacked(long offset, int bytes) => Compressed | ((ulong)bytes << _offsetBits) | (ulong)offset;

    public override TableEntry Decode(ulong entry)
    {
        if (entry == 0)
        {
            return default;
        }
        if ((entry & Compressed) == 0)
        {
            return entry % 512 == 0 ? new TableEntry(TableEntryKind.Data, (long)entry, _clusterBytes) : new TableEntry(TableEntryKind.Bad);
        }
        long bytes = (long)(entry & ~Compressed) >> _offsetBits;
        long offset = (long)(entry & ((1UL << _offsetBits) - 1));
        return new TableEntry(bytes == 0 ? TableEntryKind.Bad : TableEntryKind.Packed, offset, bytes);
    }
}
