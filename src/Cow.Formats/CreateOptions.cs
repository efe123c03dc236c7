// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>What a new store is to be.</summary>
/// <param name="VirtualSizeBytes">Bytes of the disk; a multiple of 512.</param>
/// <param name="ChunkSectors">Sectors of 512 bytes in a chunk; a power of two inside the driver's limits.</param>
public sealed record CreateOptions(ulong VirtualSizeBytes, uint ChunkSectors);
