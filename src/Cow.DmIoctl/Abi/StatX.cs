// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct statx of linux/stat.h, as far as we read it; the rest only takes its room.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct statx", "linux/stat.h")]
internal struct StatX
{
    [CName("stx_mask")]
    public uint Mask;
    [CName("stx_blksize")]
    public uint BlockSize;
    [CName("stx_attributes")]
    public ulong Attributes;
    [CName("stx_nlink")]
    public uint Links;
    [CName("stx_uid")]
    public uint User;
    [CName("stx_gid")]
    public uint Group;
    [CName("stx_mode")]
    public ushort Mode;
    [CName("__spare0")]
    public ushort Spare;
    [CName("stx_ino")]
    public ulong Inode;
    [CName("stx_size")]
    public ulong Size;
    [CName("stx_blocks")]
    public ulong Blocks;
    [CName("stx_attributes_mask")]
    public ulong AttributesMask;
    [CName("stx_atime")]
    public StatXTimestamp Accessed;
    [CName("stx_btime")]
    public StatXTimestamp Born;
    [CName("stx_ctime")]
    public StatXTimestamp Changed;
    [CName("stx_mtime")]
    public StatXTimestamp Modified;
    [CName("stx_rdev_major")]
    public uint NodeMajor;
    [CName("stx_rdev_minor")]
    public uint NodeMinor;
    [CName("stx_dev_major")]
    public uint DeviceMajor;
    [CName("stx_dev_minor")]
    public uint DeviceMinor;

    // stx_mnt_id and what later kernels added; the struct is 256 bytes for good.
    [CName("stx_mnt_id")]
    public ulong Mount;
    [CNone]
    private Room _room;

    /// <summary>What is behind stx_mnt_id.</summary>
    [InlineArray(13)]
    private struct Room
    {
        private ulong _first;
    }
}
