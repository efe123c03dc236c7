// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>An image that can reserve places for chunks that are not known yet: what <see cref="IGrantingFormat"/> asks of the top image of a chain.</summary>
/// <remarks>Only a format in which any chunk may be at any free place can: what it reserves is a pool. What the commit of the places needs besides
/// them, whichever chunks take them, is set aside with them.</remarks>
public interface IGrantingImage : IDiskImage
{
    /// <summary>Whether this image can; constant while it is open.</summary>
    bool Grants { get; }

    /// <summary>See <see cref="IGrantingFormat.Reserve"/>. All reserved places together are never more than the disk has chunks.</summary>
    PlaceGrant ReservePool(ulong count);

    /// <summary>See <see cref="IGrantingFormat.AdoptGrant"/>.</summary>
    void AdoptPool(PlaceGrant grant);

    /// <summary>See <see cref="IGrantingFormat.Take"/>.</summary>
    ulong Take(PlacedRun run);

    /// <summary>See <see cref="IGrantingFormat.Release"/>.</summary>
    void Release(PlaceGrant grant);
}
