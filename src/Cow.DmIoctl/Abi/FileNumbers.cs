// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of fcntl.h.</summary>
[CConstants("fcntl.h", "")]
internal static class FileNumbers
{
    [CName("O_RDONLY")]
    public const int ReadOnly = 0;
    [CName("O_WRONLY")]
    public const int WriteOnly = 1;
    [CName("O_RDWR")]
    public const int ReadWrite = 2;
    [CName("O_CREAT")]
    public const int Create = 0x40;
    [CName("O_EXCL")]
    public const int Exclusive = 0x80;
    [CName("O_CLOEXEC")]
    public const int CloseOnExec = 0x8_0000;
    [CName("O_PATH")]
    public const int PathOnly = 0x20_0000;
    [CName("F_OFD_GETLK")]
    public const int GetLock = 36;
    [CName("F_OFD_SETLK")]
    public const int SetLock = 37;
    [CName("F_RDLCK")]
    public const short SharedLock = 0;
    [CName("F_WRLCK")]
    public const short ExclusiveLock = 1;
    [CName("F_UNLCK")]
    public const short NoLock = 2;
    [CName("FALLOC_FL_KEEP_SIZE")]
    public const int KeepSize = 1;
    [CName("FALLOC_FL_PUNCH_HOLE")]
    public const int PunchHole = 2;
    [CName("FALLOC_FL_ZERO_RANGE")]
    public const int ZeroRange = 0x10;
    [CName("AT_FDCWD")]
    public const int CurrentDirectory = -100;
    [CName("AT_SYMLINK_NOFOLLOW")]
    public const int NoFollow = 0x100;
    [CName("AT_EMPTY_PATH")]
    public const int EmptyPath = 0x1000;

    /// <summary>asm-generic says 0x4000, arm has its own.</summary>
    [CName("O_DIRECT")]
    public static readonly int Direct =
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x1_0000 : 0x4000;
}
