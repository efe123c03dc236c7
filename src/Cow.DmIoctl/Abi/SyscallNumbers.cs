// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Calls that the C library may lack: sys/syscall.h; the same numbers on x86-64 and arm64.</summary>
[CConstants("sys/syscall.h", "")]
internal static class SyscallNumbers
{
    [CName("SYS_pidfd_send_signal")]
    public const int PidFdSendSignal = 424;
    [CName("SYS_pidfd_open")]
    public const int PidFdOpen = 434;
    [CName("SYS_openat2")]
    public const int OpenAt2 = 437;
}
