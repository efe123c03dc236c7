// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl;

/// <summary>What the upper half of a cookie tells the udev rules (DM_UDEV_* of libdevmapper.h).</summary>
[Flags]
internal enum UdevFlags : ushort
{
    None = 0,

    /// <summary>The event comes from the one who changed the device, not from a "udevadm trigger".</summary>
    PrimarySource = 0x0040,
}
