// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>Feature bits that attach negotiates: DM_COW_F_* of linux/dm-cow.h.</summary>
[Flags]
[CConstants("linux/dm-cow.h", "DM_COW_F_")]
public enum CowFeatures : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>GRANT, REVOKE, REVOKED.</summary>
    Grant = 1,

    /// <summary>DISCARD events.</summary>
    Discard = 2,

    /// <summary>ZERO events.</summary>
    Zero = 4,

    /// <summary>Sources in pieces.</summary>
    Pieces = 8,

    /// <summary>PLACE beyond the fault.</summary>
    Widen = 16,

    /// <summary>LOAD, REST.</summary>
    Load = 32,
}
