// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>
/// A format that can reserve places before it is known which chunks will be written: they are handed to the kernel, whose first writes then ask nobody.
/// </summary>
/// <remarks>
/// A place that was reserved is given out by nothing else until it was taken or released. Between <see cref="Reserve"/> and the end of the process
/// nothing on disk need say so: the next process adopts what the kernel still holds before it allocates anything. A format whose disk says which places
/// are in use says so of a reserved one no later than when it is committed; a crash in between may leak the place, and never uses it twice.
/// </remarks>
public interface IGrantingFormat : ICowFormat
{
    /// <summary>Whether this store can; constant while it is open. Nothing else of this interface is called where it cannot.</summary>
    bool Grants => true;

    /// <summary>Reserves adjoining places.</summary>
    /// <param name="count">How many at most. A format in which each chunk has its own place gives all of them at once, and later none.</param>
    PlaceGrant Reserve(ulong count);

    /// <summary>The kernel holds these places, given by a former process. Called as <see cref="ICowFormat.Adopt"/> is.</summary>
    /// <exception cref="ImageFormatException">They are not free.</exception>
    void AdoptGrant(PlaceGrant grant);

    /// <summary>The kernel gave these chunks these places. Those of them that were allocated for the chunks are no news; others were reserved. Where
    /// a chunk was allocated another place before, that one is free again: the kernel never used it.</summary>
    /// <param name="runs">The chunks and places: all that was told at once.</param>
    /// <returns>How many of the places were reserved until now.</returns>
    /// <exception cref="ImageFormatException">A place was neither allocated for its chunk nor reserved. The runs before it are taken.</exception>
    ulong Take(ReadOnlySpan<PlacedRun> runs);

    /// <summary>Nobody took these places, and nobody will.</summary>
    void Release(PlaceGrant grant);
}
