// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct loop_config of linux/loop.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct loop_config", "linux/loop.h")]
internal struct LoopConfig
{
    [CName("fd")]
    public uint Descriptor;
    public uint BlockSize;
    public LoopInfo64 Info;
    [CName("__reserved")]
    public Longs8 Reserved;
}
