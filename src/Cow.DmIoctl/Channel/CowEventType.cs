// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>What an event tells or asks: DM_COW_EV_* of linux/dm-cow.h, explained in PROTOCOL.md section 3.</summary>
[CConstants("linux/dm-cow.h", "DM_COW_EV_")]
public enum CowEventType : uint
{
    /// <summary>Not an event.</summary>
    None = 0,

    /// <summary>Chunks need places: answer PLACE, ERROR or HOLD.</summary>
    WriteFault = 1,

    /// <summary>Where does it read from: answer MAP, KNOWN or ERROR.</summary>
    ReadFault = 2,

    /// <summary>Picture: a place was given, its copy is under way.</summary>
    Answered = 3,

    /// <summary>The data is at its place and numbered.</summary>
    Placed = 4,

    /// <summary>The copy failed, the place is not used.</summary>
    Failed = 5,

    /// <summary>Commit all up to the number, then answer FLUSHED.</summary>
    Flush = 6,

    /// <summary>The last table line is gone.</summary>
    Gone = 7,

    /// <summary>All answered and placed runs were told.</summary>
    PictureEnd = 8,

    /// <summary>What is left of a grant is the controller's again; count 0: that was the last one.</summary>
    Revoked = 9,

    /// <summary>Reserved.</summary>
    Discard = 10,

    /// <summary>Reserved.</summary>
    Zero = 11,

    /// <summary>Picture: what is left of a grant.</summary>
    Granted = 12,

    /// <summary>Places are in use that will be told, at the latest before they are to be committed.</summary>
    Taken = 13,
}
