// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of poll.h.</summary>
[CConstants("poll.h", "")]
internal static class PollNumbers
{
    [CName("POLLIN")]
    public const short In = 1;
}
