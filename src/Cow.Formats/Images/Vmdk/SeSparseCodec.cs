// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Entries of seSparse: 64 bits, little-endian, with what they are in the highest four. Read only.</summary>
/// <param name="tablesAt">Byte offset of the grain tables, which directory entries count from.</param>
/// <param name="tablesBytes">Bytes of the grain tables.</param>
/// <param name="grainsAt">Byte offset of the grains, which table entries count from.</param>
internal sealed class SeSparseCodec(long tablesAt, long tablesBytes, long grainsAt) : TableCodec
{
    /// <summary>Bytes of a grain: the only size that there is.</summary>
    public const int GrainBytes = 4096;

    /// <summary>Bytes of a grain table.</summary>
    public const int TableBytes = 64 * 512;

    private const ulong DirectoryMark = 0x10000000;

    public override int EntryBytes => sizeof(ulong);

    public override string Expected => "an entry of kind 0 to 3 inside the grains";

    public override ulong Load(ReadOnlySpan<byte> entry) => ReadUInt64LittleEndian(entry);

    public override void Store(Span<byte> entry, ulong value) => throw new NotSupportedException("seSparse is read only");

    public override long TableOffset(ulong entry)
    {
        long offset = (long)(entry & uint.MaxValue) * TableBytes;
        return entry >> 32 != DirectoryMark || offset > tablesBytes - TableBytes ? -1 : tablesAt + offset;
    }

    public override ulong DirectoryEntry(long tableOffset) => throw new NotSupportedException("seSparse is read only");

    public override ulong Encode(long offset) => throw new NotSupportedException("seSparse is read only");

    public override TableEntry Decode(ulong entry) => (entry >> 60) switch
    {
        0 => new TableEntry(entry == 0 ? TableEntryKind.Below : TableEntryKind.Bad),
        // 1 is what a guest unmapped. QEMU reads zeros there; another reader lets the parent show through.
        1 or 2 => new TableEntry(TableEntryKind.Zero),
        3 => Allocated(entry),
        _ => new TableEntry(TableEntryKind.Bad),
    };

    /// <summary>The number of the grain: its low 12 bits are bits 48 to 59 of the entry, the others bits 0 to 47.</summary>
    private TableEntry Allocated(ulong entry)
    {
        ulong grain = ((entry >> 48) & 0xfff) | ((entry & 0xffffffffffff) << 12);
        return grain > (ulong)(long.MaxValue - grainsAt) / GrainBytes - 1
            ? new TableEntry(TableEntryKind.Bad)
            : new TableEntry(TableEntryKind.Data, grainsAt + ((long)grain * GrainBytes), GrainBytes);
    }
}
