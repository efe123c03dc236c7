// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of sys/resource.h.</summary>
[CConstants("sys/resource.h", "")]
internal static class ResourceNumbers
{
    [CName("RLIMIT_CORE")]
    public const int Core = 4;

    [CName("RLIMIT_STACK")]
    public const int Stack = 3;

    [CName("RLIM_INFINITY")]
    public const ulong Unlimited = ulong.MaxValue;

    [CName("RLIMIT_NOFILE")]
    public const int OpenFiles = 7;

    [CName("PRIO_PROCESS")]
    public const int PriorityOfProcess = 0;
}
