// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_cow_list of linux/dm-cow.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_cow_list", "linux/dm-cow.h")]
internal struct CowList
{
    public Name128 Ident;
    public CowState State;
    public uint Owner;
    public ulong Uncommitted;
}
