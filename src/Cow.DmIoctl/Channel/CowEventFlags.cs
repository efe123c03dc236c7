// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>DM_COW_EVF_* of linux/dm-cow.h.</summary>
[Flags]
[CConstants("linux/dm-cow.h", "DM_COW_EVF_")]
public enum CowEventFlags : uint
{
    /// <summary>Nothing special.</summary>
    None = 0,

    /// <summary>Part of the picture after ATTACH.</summary>
    Picture = 1,

    /// <summary>FAILED: the place could not be written; without it the source could not be read.</summary>
    WriteSide = 2,

    /// <summary>WRITE_FAULT on chunks that the kernel was never told of.</summary>
    Unknown = 4,

    /// <summary>FLUSH: the kernel has no device left, flush it yourself first.</summary>
    SelfFlush = 8,

    /// <summary>PICTURE_END, FLUSH, GONE: the device is read-only or failed; nothing may be committed any more.</summary>
    ReadOnly = 16,
}
