// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>PLACE: what the rest of a chunk, that no write covers, is filled from. DM_COW_FILL_*.</summary>
[CConstants("linux/dm-cow.h", "DM_COW_FILL_")]
public enum CowFill : uint
{
    /// <summary>Every other reply but PLACE. Not DM_COW_FILL_NONE, which is <see cref="Nothing"/>.</summary>
    None = 0,

    /// <summary>From the source device and sector of the reply.</summary>
    Copy = 1,

    /// <summary>Zeros.</summary>
    Zero = 2,

    /// <summary>Nothing: the place already holds it (DM_COW_FILL_NONE).</summary>
    [CName("DM_COW_FILL_NONE")]
    Nothing = 3,
}
