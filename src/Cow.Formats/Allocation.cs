// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>What fills the part of a newly placed chunk that no write covers.</summary>
public enum Fill
{
    /// <summary>The data that the chunk reads now; see <see cref="Allocation.Source"/>.</summary>
    Copy,

    /// <summary>Zeros.</summary>
    Zero,

    /// <summary>Nothing: the place already holds it.</summary>
    None,
}

/// <summary>Bytes of the store, from <paramref name="Offset"/> on.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes; 0 is no range.</param>
public readonly record struct ByteRange(long Offset, long Length);

/// <summary>The answer to <see cref="ICowFormat.Allocate"/>.</summary>
/// <param name="Placed">The chunks that got adjoining places: the first ones of those asked for. A count of 0 means that the store is full, or
/// <see cref="ICowFormat.IsGivenUp"/>.</param>
/// <param name="Fill">How the uncovered rest of each chunk is filled.</param>
/// <param name="Source">Where <see cref="Formats.Fill.Copy"/> copies from; covers exactly the run of <paramref name="Placed"/>.</param>
/// <param name="Metadata">Bytes of the store that the commit of these places will write for the first time. Whoever hands the places out
/// first sees to it that they, and the places themselves, can be written (file blocks allocated). Length 0 where nothing new is needed.</param>
public readonly record struct Allocation(PlacedRun Placed, Fill Fill, Extent Source, ByteRange Metadata)
{
    /// <summary>The store has no place for even the first chunk.</summary>
    public bool NoSpace => Placed.Run.Count == 0;
}
