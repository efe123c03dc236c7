// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Where a directory lies, and what it covers.</summary>
/// <param name="DirectoryAt">Byte offset of the directory.</param>
/// <param name="Tables">Its entries: tables that there may be.</param>
/// <param name="TableEntries">Entries of a second-level table.</param>
/// <param name="ChunkBytes">Bytes of the disk that an entry covers; a power of two.</param>
/// <param name="DiskBytes">Bytes of the disk, or of the part of it that the directory covers.</param>
internal readonly record struct TableGeometry(long DirectoryAt, ulong Tables, uint TableEntries, uint ChunkBytes, ulong DiskBytes)
{
    /// <summary>Chunks of the disk, the last perhaps cut.</summary>
    public ulong Chunks => (DiskBytes + ChunkBytes - 1) / ChunkBytes;
}
