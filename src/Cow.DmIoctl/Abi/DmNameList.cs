// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>struct dm_name_list; the name begins inside its padding, at <see cref="NameAt"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
[CStruct("struct dm_name_list", "linux/dm-ioctl.h")]
internal struct DmNameList
{
    /// <summary>Offset of the name.</summary>
    public const int NameAt = 12;

    public ulong Dev;

    /// <summary>Bytes from this entry to the next, 0 in the last.</summary>
    public uint Next;
}
