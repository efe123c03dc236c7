// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>Why <see cref="CowChannel.Poll"/> returned.</summary>
[Flags]
public enum ChannelReady
{
    /// <summary>Time out, or a signal.</summary>
    None = 0,

    /// <summary>Somebody waits: events can be read.</summary>
    Readable = 1,

    /// <summary>Another controller took over; close the channel.</summary>
    Hangup = 2,

    /// <summary>The wake event was set.</summary>
    Woken = 4,
}
