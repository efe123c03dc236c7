// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>A run of adjoining chunks. Chunks count from the start of the virtual disk.</summary>
/// <param name="Chunk">First chunk.</param>
/// <param name="Count">Chunks in the run, at least one.</param>
public readonly record struct ChunkRun(ulong Chunk, ulong Count)
{
    /// <summary>First chunk behind the run.</summary>
    public ulong End => Chunk + Count;
}
