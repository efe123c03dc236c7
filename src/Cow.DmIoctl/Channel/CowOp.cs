// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>What a reply answers or orders: DM_COW_OP_* of linux/dm-cow.h, PROTOCOL.md section 4.</summary>
[CConstants("linux/dm-cow.h", "DM_COW_OP_")]
public enum CowOp : uint
{
    /// <summary>Not a reply.</summary>
    None = 0,

    /// <summary>These chunks are committed there.</summary>
    Map = 1,

    /// <summary>Those of them without a place read from there.</summary>
    Known = 2,

    /// <summary>A place for a faulted run.</summary>
    Place = 3,

    /// <summary>Fail the accesses.</summary>
    Error = 4,

    /// <summary>Wait for RETRY.</summary>
    Hold = 5,

    /// <summary>Ask again for all that is held.</summary>
    Retry = 6,

    /// <summary>Committed up to a number, or failed to.</summary>
    Flushed = 7,

    /// <summary>Ask for a FLUSH event now.</summary>
    Commit = 8,

    /// <summary>After GONE: forget uncommitted places.</summary>
    Abandon = 9,

    /// <summary>Places for first writes to come.</summary>
    Grant = 10,

    /// <summary>Give back what is left of all grants.</summary>
    Revoke = 11,

    /// <summary>From here on all places are told.</summary>
    Load = 12,

    /// <summary>As KNOWN, of chunks whose places were told since LOAD.</summary>
    Rest = 13,
}
