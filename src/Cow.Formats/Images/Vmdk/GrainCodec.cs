// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Entries of grain directories and grain tables of hosted sparse extents and of COWD: sectors in 32 bits, little-endian.</summary>
/// <param name="grainBytes">Bytes of a grain.</param>
/// <param name="zeroed">Whether the entry 1 says zeros, as a flag of the header tells.</param>
/// <param name="packed">Whether grains are compressed.</param>
internal sealed class GrainCodec(long grainBytes, bool zeroed, bool packed) : TableCodec
{
    /// <summary>The entry of a grain of zeros.</summary>
    public const ulong Zeroed = 1;

    /// <summary>Byte offset behind the last sector that an entry can name.</summary>
    public const long Limit = (long)uint.MaxValue * 512;

    public override int EntryBytes => sizeof(uint);

    public override string Expected => "the sector of a grain, since the header does not allow grains of zeros";

    public override ulong Load(ReadOnlySpan<byte> entry) => ReadUInt32LittleEndian(entry);

    public override void Store(Span<byte> entry, ulong value) => WriteUInt32LittleEndian(entry, (uint)value);

    public override long TableOffset(ulong entry) => (long)entry * 512;

    public override ulong DirectoryEntry(long tableOffset) => (ulong)tableOffset / 512;

    public override ulong Encode(long offset) => (ulong)offset / 512;

    public override TableEntry Decode(ulong entry) => entry switch
    {
        0 => default,
        Zeroed => new TableEntry(zeroed ? TableEntryKind.Zero : TableEntryKind.Bad),
        _ when packed => new TableEntry(TableEntryKind.Packed, (long)entry * 512, PackedGrain.MarkerBytes),
        _ => new TableEntry(TableEntryKind.Data, (long)entry * 512, grainBytes),
    };
}
