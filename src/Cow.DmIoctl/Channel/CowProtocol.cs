// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>Constants of linux/dm-cow.h.</summary>
[CConstants("linux/dm-cow.h", "DM_COW_")]
public static class CowProtocol
{
    /// <summary>Version of the records; another one at the other side is EPROTO.</summary>
    public const uint AbiVersion = 2;

    /// <summary>Bytes of an ident with its terminating zero.</summary>
    [CName("DM_COW_IDENT_LEN")]
    public const int IdentLength = 128;

    /// <summary>Devices of one ident at most.</summary>
    public const int MaxDevices = 128;

    /// <summary>Chunks that one event covers at most.</summary>
    public const ulong MaxRun = 1UL << 40;

    /// <summary>Index of the base in the device list of <c>cow</c>.</summary>
    [CName("DM_COW_DEV_BASE")]
    public const uint BaseDevice = 0;

    /// <summary>Index of the CoW device in the device list of <c>cow</c>.</summary>
    [CName("DM_COW_DEV_COW")]
    public const uint CowDevice = 1;

    /// <summary>GRANT, and what is told of it: a pool, for any chunk that has no place.</summary>
    public const ulong AnyChunk = ulong.MaxValue;

    /// <summary>Not a device: reads as zeros. Only as a source of KNOWN.</summary>
    [CName("DM_COW_DEV_ZERO")]
    public const uint ZeroDevice = 0xffff_ffff;

    /// <summary>Features that this version of the kernel's half serves.</summary>
    [CName("DM_COW_F_OFFERED")]
    public const ulong FeaturesOffered = (ulong)(CowFeatures.Grant | CowFeatures.Load);
}
