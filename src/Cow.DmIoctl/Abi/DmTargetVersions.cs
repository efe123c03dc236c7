// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_target_versions; the name follows.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_target_versions", "linux/dm-ioctl.h")]
internal struct DmTargetVersions
{
    /// <summary>Bytes from this entry to the next, 0 in the last.</summary>
    public uint Next;
    public Version3 Version;
}
