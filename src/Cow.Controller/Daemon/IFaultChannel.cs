// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>An attached channel to the kernel, or to the tests' stand-in for it. Only <see cref="Wake"/> may be called from another thread.</summary>
internal interface IFaultChannel : IDisposable
{
    /// <summary>Waits until somebody waits for us, <see cref="Wake"/> was called, or the time is over; a negative time has no end.</summary>
    /// <exception cref="LinuxException">The channel is lost; ESTALE when another controller took it.</exception>
    void Wait(int milliseconds);

    /// <summary>Ends a <see cref="Wait"/>, also one that has not begun.</summary>
    void Wake();

    /// <summary>Takes as many events as there are and fit, possibly none. Does not wait.</summary>
    /// <exception cref="LinuxException">As above.</exception>
    int Read(Span<CowEvent> events);

    /// <summary>Hands over replies.</summary>
    /// <param name="replies">In the order in which they count.</param>
    /// <param name="refused">Why the kernel refused the reply behind those that it took, or None when it did not say yet.</param>
    /// <returns>How many it took before the first that it refused.</returns>
    int Write(ReadOnlySpan<CowReply> replies, out Errno refused);
}
