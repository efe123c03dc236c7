// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>dm_ioctl.flags.</summary>
[Flags]
[CConstants("linux/dm-ioctl.h", "DM_")]
internal enum DmFlags : uint
{
    None = 0,
    [CName("DM_READONLY_FLAG")] ReadOnly = 1 << 0,
    [CName("DM_SUSPEND_FLAG")] Suspend = 1 << 1,
    [CName("DM_STATUS_TABLE_FLAG")] StatusTable = 1 << 4,
    [CName("DM_ACTIVE_PRESENT_FLAG")] ActivePresent = 1 << 5,
    [CName("DM_INACTIVE_PRESENT_FLAG")] InactivePresent = 1 << 6,
    [CName("DM_BUFFER_FULL_FLAG")] BufferFull = 1 << 8,
    [CName("DM_SKIP_LOCKFS_FLAG")] SkipLockFs = 1 << 10,
    [CName("DM_NOFLUSH_FLAG")] NoFlush = 1 << 11,
    [CName("DM_QUERY_INACTIVE_TABLE_FLAG")] QueryInactive = 1 << 12,
    [CName("DM_UEVENT_GENERATED_FLAG")] UeventGenerated = 1 << 13,
    /// <summary>DM_LIST_DEVICES: tell the uuids too (the header is silent on it).</summary>
    [CName("DM_UUID_FLAG")] Uuid = 1 << 14,
    [CName("DM_DATA_OUT_FLAG")] DataOut = 1 << 16,
    [CName("DM_DEFERRED_REMOVE")] DeferredRemove = 1 << 17,
}
