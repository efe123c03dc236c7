// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct rlimit of sys/resource.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct rlimit", "sys/resource.h")]
internal struct RLimit
{
    [CName("rlim_cur")]
    public ulong Current;
    [CName("rlim_max")]
    public ulong Maximum;
}
