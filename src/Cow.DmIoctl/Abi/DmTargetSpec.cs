// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_target_spec of linux/dm-ioctl.h; its parameters follow as zero-terminated text.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_target_spec", "linux/dm-ioctl.h")]
internal struct DmTargetSpec
{
    public ulong SectorStart;
    public ulong Length;
    public int Status;

    /// <summary>Load: bytes from this spec to the next. Status: bytes from the first spec to the next.</summary>
    public uint Next;
    public Type16 TargetType;
}
