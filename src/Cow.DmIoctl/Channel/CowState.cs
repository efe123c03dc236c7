// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>State of an ident: DM_COW_S_* of linux/dm-cow.h.</summary>
[Flags]
[CConstants("linux/dm-cow.h", "DM_COW_S_")]
public enum CowState : uint
{
    /// <summary>Nothing special.</summary>
    None = 0,

    /// <summary>Target <c>userspace</c>: no base, every chunk is asked for once.</summary>
    Userspace = 1,

    /// <summary>No chunk is unknown: the map need not be loaded again.</summary>
    Known = 2,

    /// <summary>No table line refers to it.</summary>
    Gone = 4,

    /// <summary>The device is in mode ro or fail.</summary>
    ReadOnly = 8,

    /// <summary>A controller is attached.</summary>
    Controlled = 16,
}
