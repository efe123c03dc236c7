// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// Sees to it that a place can be kept before it is given out, and that data is durable when the kernel has no device left to flush.
/// </summary>
internal interface ISpaceKeeper
{
    /// <summary>To ensure bytes takes nothing from anybody: the store is on devices alone, which have all of theirs. What lies behind the end of
    /// one is for the format and the kernel to refuse.</summary>
    bool HasAll { get; }

    /// <summary>On a true return the bytes of the store can be written whatever else fills the host's file system.</summary>
    /// <param name="device">The format's device that they are on.</param>
    /// <param name="bytes">The bytes; an empty range needs nothing.</param>
    bool Ensure(int device, ByteRange bytes);

    /// <summary>Writes to a place what no device holds as it is, before the place is given out; see <see cref="ExtentKind.Opaque"/>.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    void Fill(Place place, ReadOnlySpan<byte> data);

    /// <summary>Makes everything that was written to the places durable.</summary>
    /// <exception cref="IOException">It may not be.</exception>
    void FlushData();
}
