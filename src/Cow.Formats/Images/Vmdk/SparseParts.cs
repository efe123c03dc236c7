// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Vmdk;

/// <summary>What distinguishes one kind of sparse extent from another.</summary>
internal sealed record SparseParts
{
    /// <summary>Bytes that the file begins with whatever grains it holds: readers call a shorter one cut off.</summary>
    public long LeastBytes { get; init; }

    /// <summary>The redundant tables, or null.</summary>
    public TableMirror? Mirror { get; init; }

    /// <summary>Whether an entry can say that a grain is zeros.</summary>
    public bool HasZeroed { get; init; }

    /// <summary>What is known of compressed grains; null where there are none.</summary>
    public IPackedChunks? Packed { get; init; }

    /// <summary>Keeps the one that was read last.</summary>
    public UnpackedChunk Unpacked { get; init; } = new();

    /// <summary>Where the extent says that it is written; null where it never is.</summary>
    public UncleanMark? Mark { get; init; }

    /// <summary>Whether the header says where nothing is used any more.</summary>
    public bool HasNextFree { get; init; }

    /// <summary>Why it can only be read, or null.</summary>
    public string? ReadOnlyReason { get; init; }

    /// <summary>Whether the file has further structures, which are not known here: then nothing can be said about lost space.</summary>
    public bool IsForeign => Mark is null;
}
