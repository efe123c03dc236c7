// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>Adjoining places that were reserved for first writes to come; see <see cref="IGrantingFormat"/>.</summary>
/// <param name="Chunk">First of the chunks that live there, or <see cref="AnyChunk"/> where they are for whichever chunks come.</param>
/// <param name="Count">Places; 0 where none could be reserved.</param>
/// <param name="Place">The first place.</param>
/// <param name="Metadata">As in <see cref="Allocation"/>: what the commit of these places will write for the first time.</param>
public readonly record struct PlaceGrant(ulong Chunk, ulong Count, Place Place, ByteRange Metadata)
{
    /// <summary>The places are a pool.</summary>
    public const ulong AnyChunk = ulong.MaxValue;

    /// <summary>Any chunk may take them.</summary>
    public bool IsPool => Chunk == AnyChunk;
}
