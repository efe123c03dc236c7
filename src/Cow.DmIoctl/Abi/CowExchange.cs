// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_cow_exchange of linux/dm-cow.h; pointers are integers of 64 bits.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_cow_exchange", "linux/dm-cow.h")]
internal struct CowExchange
{
    public ulong Replies;
    public ulong Events;
    public uint NrReplies;
    public uint NrEvents;
    public int TimeoutMs;
    public Errno Error;
}
