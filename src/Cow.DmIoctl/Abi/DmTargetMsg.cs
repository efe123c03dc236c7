// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_target_msg; the zero-terminated message follows.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_target_msg", "linux/dm-ioctl.h")]
internal struct DmTargetMsg
{
    public ulong Sector;
}
