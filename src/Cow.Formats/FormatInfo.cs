// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>What an opened store is. Constant while it is open, but for <see cref="ICowFormat.Usage"/>.</summary>
/// <param name="Format">Name of the format, as on the command line.</param>
/// <param name="VirtualSize">Bytes of the disk that the store describes, or null where the format does not record it (the base's size counts).</param>
/// <param name="ChunkSectors">Sectors of 512 bytes in a chunk; a power of two.</param>
/// <param name="Layers">Read-only layers between base and overlay.</param>
public sealed record FormatInfo(string Format, ulong? VirtualSize, uint ChunkSectors, int Layers);

/// <summary>How full a store is.</summary>
/// <param name="PlacedChunks">Chunks with a place, committed or not.</param>
/// <param name="UsedBytes">Bytes of the store in use, metadata included.</param>
/// <param name="MetadataBytes">Bytes of those that are metadata.</param>
/// <param name="CapacityBytes">Bytes that the store can use as it is now; <see cref="long.MaxValue"/> where nothing limits it.</param>
public readonly record struct Usage(ulong PlacedChunks, long UsedBytes, long MetadataBytes, long CapacityBytes);
