// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct statx_timestamp of linux/stat.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct statx_timestamp", "linux/stat.h")]
internal struct StatXTimestamp
{
    [CName("tv_sec")]
    public long Seconds;
    [CName("tv_nsec")]
    public uint Nanoseconds;
    [CName("__reserved")]
    public int Reserved;
}
