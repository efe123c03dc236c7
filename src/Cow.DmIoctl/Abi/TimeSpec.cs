// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct timespec of time.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct timespec", "time.h")]
internal struct TimeSpec
{
    [CName("tv_sec")]
    public long Seconds;
    [CName("tv_nsec")]
    public long Nanoseconds;
}
