// SPDX-License-Identifier: MIT
using System.Numerics;

namespace Cow.Formats.DmSnapshot;

/// <summary>Where things are in a store: chunk 0 is the header; then area, its data chunks, area, its data chunks, ...</summary>
/// <param name="ChunkSectors">Sectors of 512 bytes in a chunk; a power of two.</param>
internal readonly record struct DmSnapshotGeometry(uint ChunkSectors)
{
    /// <summary>The first chunk that can hold data: behind the header and area 0.</summary>
    public const ulong FirstDataChunk = 2;

    /// <summary>Bytes in a chunk.</summary>
    public long ChunkBytes => ChunkSectors * 512L;

    /// <summary>Entries in an area, and data chunks behind it.</summary>
    public ulong EntriesPerArea => (ulong)ChunkBytes / DiskException.Size;

    /// <summary>Chunks from one area to the next.</summary>
    private ulong Stride => EntriesPerArea + 1;

    /// <summary>The chunk that area number <paramref name="area"/> is.</summary>
    public ulong AreaChunk(ulong area) => 1 + (area * Stride);

    /// <summary>Whether a chunk of the store is header or area, and never data.</summary>
    public bool IsMetadata(ulong chunk) => chunk == 0 || chunk % Stride == 1;

    /// <summary>The first area behind a chunk that is not the header.</summary>
    public ulong NextAreaChunk(ulong chunk) => AreaChunk(((chunk - 1) / Stride) + 1);

    /// <summary>The chunk that a sector of the store lies in.</summary>
    public ulong ChunkOf(ulong sector) => sector >> BitOperations.Log2(ChunkSectors);

    /// <summary>Whole chunks in so many bytes.</summary>
    public ulong Chunks(long bytes) => (ulong)(bytes / ChunkBytes);

    /// <summary>Chunks that a disk of so many bytes has, the last perhaps odd.</summary>
    public ulong DiskChunks(ulong bytes) => ((bytes - 1) / (ulong)ChunkBytes) + 1;

    /// <summary>Entries that a store of so many chunks can take: the last slot of an area is used only if the next area fits,
    /// as a full area makes every reader go on to the next.</summary>
    public ulong MaxEntries(ulong chunks) => chunks < FirstDataChunk ? 0 : ((((chunks - FirstDataChunk) / Stride) + 1) * EntriesPerArea) - 1;

    /// <summary>Byte offset of an entry, counted over all areas.</summary>
    public long EntryOffset(ulong entry) =>
        ((long)AreaChunk(entry / EntriesPerArea) * ChunkBytes) + (long)(entry % EntriesPerArea * DiskException.Size);
}
