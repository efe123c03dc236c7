// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_target_deps without its array; count device numbers of 8 bytes follow.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_target_deps", "linux/dm-ioctl.h")]
internal struct DmTargetDeps
{
    public uint Count;
    public uint Padding;
}
