// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_cow_attach of linux/dm-cow.h.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_cow_attach", "linux/dm-cow.h")]
internal struct CowAttach
{
    public uint Version;
    public uint EventSize;
    public uint ReplySize;
    public uint Flags;
    public ulong Features;
    public CowState State;
    public uint Generation;
    public ulong Epoch;
    public ulong ChunkSectors;
    public ulong Sectors;
    public ulong Number;
    public ulong Uncommitted;
    public uint Owner;
    public uint Devices;
    public Name128 Ident;
}
