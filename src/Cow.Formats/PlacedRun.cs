// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>A run of chunks whose data is at adjoining places.</summary>
/// <param name="Run">The chunks.</param>
/// <param name="Place">Place of the first; each further chunk follows it directly.</param>
public readonly record struct PlacedRun(ChunkRun Run, Place Place);
