// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Adjoining chunks of a map at adjoining places.</summary>
/// <param name="Chunk">First chunk, counted from the start of the map.</param>
/// <param name="Count">Chunks; 0 for none.</param>
/// <param name="Offset">Byte offset of the first one's place.</param>
internal readonly record struct PlacedChunks(ulong Chunk, ulong Count, long Offset);
