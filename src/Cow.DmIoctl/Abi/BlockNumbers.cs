// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>ioctls of linux/fs.h.</summary>
[CConstants("linux/fs.h", "")]
internal static class BlockNumbers
{
    /// <summary>Logical block size, an int.</summary>
    [CName("BLKSSZGET")]
    public const uint LogicalBlockSize = 0x1268;

    /// <summary>Bytes of a device, a u64.</summary>
    [CName("BLKGETSIZE64")]
    public const uint SizeBytes = 0x8008_1272;

    /// <summary>Drops the cache of a block device.</summary>
    [CName("BLKFLSBUF")]
    public const uint FlushBuffers = 0x1261;
}
