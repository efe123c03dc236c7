// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>LO_FLAGS_* of linux/loop.h.</summary>
[Flags]
[CConstants("linux/loop.h", "LO_FLAGS_")]
internal enum LoopFlags : uint
{
    None = 0,
    ReadOnly = 1,
    [CName("LO_FLAGS_AUTOCLEAR")]
    AutoClear = 4,
    DirectIo = 16,
}
