// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of linux/dm-ioctl.h.</summary>
[CConstants("linux/dm-ioctl.h", "DM_")]
internal static class DmNumbers
{
    private const uint Magic = 0xfd;

    [CName("DM_VERSION_MAJOR")]
    public const uint Major = 4;
    [CName("DM_NAME_LEN")]
    public const int NameLength = 128;
    [CName("DM_UUID_LEN")]
    public const int UuidLength = 129;
    [CName("DM_MAX_TYPE_NAME")]
    public const int TypeLength = 16;
    [CName("DM_NAME_LIST_FLAG_HAS_UUID")]
    public const uint ListHasUuid = 1;

    /// <summary>Since this minor version a list names the uuids (Linux 5.13).</summary>
    [CNone]
    public const uint MinorWithUuids = 45;

    /// <summary>More is refused by the kernel: DM_MAX_TARGETS * DM_MAX_TARGET_PARAMS of drivers/md/dm-ioctl.c.</summary>
    [CNone]
    public const int MaxBytes = 1 << 30;

    [CName("DM_VERSION")]
    public static readonly uint Version = Call(0);
    public static readonly uint ListDevices = Call(2);
    public static readonly uint DevCreate = Call(3);
    public static readonly uint DevRemove = Call(4);
    public static readonly uint DevSuspend = Call(6);
    public static readonly uint DevStatus = Call(7);
    public static readonly uint DevWait = Call(8);
    public static readonly uint TableLoad = Call(9);
    public static readonly uint TableClear = Call(10);
    public static readonly uint TableDeps = Call(11);
    public static readonly uint TableStatus = Call(12);
    public static readonly uint ListVersions = Call(13);
    public static readonly uint TargetMsg = Call(14);

    private static uint Call(uint number) => Ioc.ReadWrite(Magic, number, DmHeader.Size);
}
