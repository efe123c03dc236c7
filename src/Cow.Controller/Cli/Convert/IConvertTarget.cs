// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Convert;

/// <summary>What a conversion writes to. What it is not given reads as zeros. The three steps of one slab follow one another, in any threads.</summary>
internal interface IConvertTarget : IDisposable
{
    /// <summary>Bytes of the unit that is zeros or not; a power of two.</summary>
    int ChunkBytes { get; }

    /// <summary>What needs no other slab: compressing. Any number of threads at once.</summary>
    void Prepare(Slab slab);

    /// <summary>Finds places. Called for one slab at a time, in the order of the disk.</summary>
    void Place(Slab slab);

    /// <summary>Writes the data to its places. Any number of threads at once. Waits for no other slab.</summary>
    void Write(Slab slab);

    /// <summary>After the last slab: completes the image. It is not durable yet.</summary>
    void Complete();
}
