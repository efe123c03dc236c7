// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

namespace Cow.DmIoctl.Abi;

/// <summary>ioctls of linux/dm-cow.h.</summary>
[CConstants("linux/dm-cow.h", "DM_COW_")]
internal static class CowNumbers
{
    [CName("DM_COW_IOC_MAGIC")]
    public const uint Magic = 0xdc;
    public const uint AttachTakeover = 1;

    [CName("DM_COW_IOC_ATTACH")]
    public static readonly uint Attach = Ioc.ReadWrite(Magic, 1, Unsafe.SizeOf<CowAttach>());
    [CName("DM_COW_IOC_LIST")]
    public static readonly uint List = Ioc.ReadWrite(Magic, 2, Unsafe.SizeOf<CowList>());
    [CName("DM_COW_IOC_EXCHANGE")]
    public static readonly uint Exchange = Ioc.ReadWrite(Magic, 3, Unsafe.SizeOf<CowExchange>());
    [CName("DM_COW_IOC_WAKE")]
    public static readonly uint Wake = Ioc.None(Magic, 4);
}
