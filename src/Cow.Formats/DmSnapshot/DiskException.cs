// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.DmSnapshot;

/// <summary>One entry of a metadata area (drivers/md/dm-snap-persistent.c, struct disk_exception).</summary>
/// <param name="OldChunk">Chunk of the disk.</param>
/// <param name="NewChunk">Chunk of the store; 0 ends the list.</param>
internal readonly record struct DiskException(ulong OldChunk, ulong NewChunk)
{
    /// <summary>Bytes.</summary>
    public const int Size = 16;

    /// <summary>Offset of <see cref="OldChunk"/>.</summary>
    public const int OldChunkAt = 0;

    /// <summary>Offset of <see cref="NewChunk"/>.</summary>
    public const int NewChunkAt = 8;

    /// <summary>The list ends here.</summary>
    public bool Ends => NewChunk == 0;

    /// <summary>Decodes; judges nothing.</summary>
    public static DiskException Read(ReadOnlySpan<byte> bytes) =>
        new(ReadUInt64LittleEndian(bytes[OldChunkAt..]), ReadUInt64LittleEndian(bytes[NewChunkAt..]));

    /// <summary>Encodes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write(Span<byte> bytes)
    {
        // Here once, and not for each field: a commit writes nothing as often.
        bytes = bytes[..Size];
        WriteUInt64LittleEndian(bytes[OldChunkAt..], OldChunk);
        WriteUInt64LittleEndian(bytes[NewChunkAt..], NewChunk);
    }
}
