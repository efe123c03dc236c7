// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>How a device is suspended, by itself or as a part of a resume that brings a new table.</summary>
[Flags]
public enum SuspendFlags
{
    /// <summary>Freeze the file system, wait for all I/O.</summary>
    None = 0,

    /// <summary>Push held I/O back to the device-mapper core instead of waiting for it (DM_NOFLUSH_FLAG).</summary>
    NoFlush = 1,

    /// <summary>Leave the file system on it alone (DM_SKIP_LOCKFS_FLAG).</summary>
    SkipLockFs = 2,

    /// <summary>What a controller always uses for its own devices: anything else waits for the controller.</summary>
    Quick = NoFlush | SkipLockFs,
}
