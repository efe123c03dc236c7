// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>What <see cref="CowChannel.Exchange"/> did.</summary>
/// <param name="Accepted">Replies that the kernel accepted, counted from the first.</param>
/// <param name="Events">Events that were written to the room for them; none unless all replies were accepted.</param>
/// <param name="Refused">Why the kernel refused the reply behind those that it accepted, or None where it has not looked at it.</param>
public readonly record struct ExchangeResult(int Accepted, int Events, Errno Refused);
