// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>An attached channel to the kernel, or to the tests' stand-in for it. Only <see cref="Wake"/> may be called from another thread.</summary>
internal interface IFaultChannel : IDisposable
{
    /// <summary>
    /// Hands over replies. If the kernel took them all, and there is room for events: waits until somebody waits for us, <see cref="Wake"/> was called, or the
    /// time is over, and takes as many events as there are and fit, possibly none.
    /// </summary>
    /// <param name="replies">In the order in which they count.</param>
    /// <param name="events">Room for events.</param>
    /// <param name="milliseconds">A negative time has no end.</param>
    /// <exception cref="LinuxException">The channel is lost; ESTALE when another controller took it.</exception>
    ExchangeResult Exchange(ReadOnlySpan<CowReply> replies, Span<CowEvent> events, int milliseconds);

    /// <summary>Ends the wait of an <see cref="Exchange"/>, also of one that has not begun.</summary>
    void Wake();
}
