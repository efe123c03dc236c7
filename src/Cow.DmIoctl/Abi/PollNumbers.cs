// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of poll.h.</summary>
[CConstants("poll.h", "")]
internal static class PollNumbers
{
    [CName("POLLIN")]
    public const short In = 1;
    [CName("POLLERR")]
    public const short Error = 8;
    [CName("POLLHUP")]
    public const short Hangup = 16;
    [CName("POLLNVAL")]
    public const short Invalid = 32;
}
