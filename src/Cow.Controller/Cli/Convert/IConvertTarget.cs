// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Convert;

/// <summary>What a conversion writes to. What it is not given reads as zeros. The two steps of one slab follow one another, in any threads.</summary>
internal interface IConvertTarget : IDisposable
{
    /// <summary>Bytes of the unit that is zeros or not; a power of two.</summary>
    int ChunkBytes { get; }

    /// <summary>What needs no other slab: finding zeros, compressing. Any number of threads at once.</summary>
    void Prepare(Slab slab);

    /// <summary>Finds places and writes. Called for one slab at a time, in the order of the disk.</summary>
    void Write(Slab slab);

    /// <summary>After the last slab: completes the image. It is not durable yet.</summary>
    void Complete();
}
