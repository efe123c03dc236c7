// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of sys/sem.h.</summary>
[CConstants("sys/sem.h", "")]
internal static class SemNumbers
{
    [CName("IPC_CREAT")]
    public const int Create = 0x200;
    [CName("IPC_EXCL")]
    public const int Exclusive = 0x400;
    [CName("IPC_NOWAIT")]
    public const int NoWait = 0x800;
    [CName("IPC_RMID")]
    public const int Remove = 0;
    [CName("SETVAL")]
    public const int SetValue = 16;
    [CName("GETVAL")]
    public const int GetValue = 12;
}
