// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>ioctls of linux/loop.h.</summary>
[CConstants("linux/loop.h", "LOOP_")]
internal static class LoopNumbers
{
    [CName("LOOP_CLR_FD")]
    public const uint ClearFd = 0x4c01;
    [CName("LOOP_SET_STATUS64")]
    public const uint SetStatus = 0x4c04;
    [CName("LOOP_GET_STATUS64")]
    public const uint GetStatus = 0x4c05;
    public const uint SetCapacity = 0x4c07;
    public const uint Configure = 0x4c0a;
    public const uint CtlAdd = 0x4c80;
    public const uint CtlGetFree = 0x4c82;
}
