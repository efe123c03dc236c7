// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>What an entry of a second-level table says.</summary>
internal enum TableEntryKind
{
    /// <summary>Nothing: what lies below shows through.</summary>
    Below,

    /// <summary>Zeros.</summary>
    Zero,

    /// <summary>The chunk is at an offset of the file.</summary>
    Data,

    /// <summary>The chunk is compressed at an offset of the file.</summary>
    Packed,

    /// <summary>What the format does not know.</summary>
    Bad,
}

/// <summary>A decoded entry of a second-level table.</summary>
/// <param name="Kind">What it says.</param>
/// <param name="Offset">Data, Packed: byte offset in the file.</param>
/// <param name="Length">Data, Packed: bytes there; of a packed chunk whose length is not in the entry those that it has at least.</param>
internal readonly record struct TableEntry(TableEntryKind Kind, long Offset = 0, long Length = 0);

/// <summary>How a format writes the entries of its two levels of tables. Both levels have entries of one size.</summary>
internal abstract class TableCodec
{
    /// <summary>Bytes of an entry.</summary>
    public abstract int EntryBytes { get; }

    /// <summary>What an entry that is <see cref="TableEntryKind.Bad"/> should have been, for messages.</summary>
    public abstract string Expected { get; }

    /// <summary>Reads an entry of a second-level table.</summary>
    public abstract ulong Load(ReadOnlySpan<byte> entry);

    /// <summary>Writes an entry of either level.</summary>
    public abstract void Store(Span<byte> entry, ulong value);

    /// <summary>Reads an entry of the directory.</summary>
    public virtual ulong LoadDirectory(ReadOnlySpan<byte> entry) => Load(entry);

    /// <summary>Byte offset of the table that an entry of the directory, not 0, names; negative where it cannot be one.</summary>
    public abstract long TableOffset(ulong entry);

    /// <summary>The entry of the directory that names a table.</summary>
    public abstract ulong DirectoryEntry(long tableOffset);

    /// <summary>What an entry says.</summary>
    public abstract TableEntry Decode(ulong entry);

    /// <summary>The entry for a chunk at a byte offset.</summary>
    public abstract ulong Encode(long offset);
}
