// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>What the opener knows about an existing store.</summary>
/// <param name="VirtualSizeBytes">Bytes of the disk, as its base has them; a multiple of 512.</param>
/// <param name="ChunkSectors">Sectors of 512 bytes in a chunk that the store must have, or null for whatever it has.</param>
/// <param name="ReadOnly">Nothing is written, not even to repair what a crash left; Allocate, Adopt and Commit are refused.</param>
public sealed record OpenOptions(ulong VirtualSizeBytes, uint? ChunkSectors, bool ReadOnly);
