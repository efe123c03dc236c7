// SPDX-License-Identifier: MIT
namespace Cow.DmIoctl.Abi;

/// <summary>Numbers of sched.h.</summary>
[CConstants("sched.h", "")]
internal static class SchedulingNumbers
{
    [CName("SCHED_OTHER")]
    public const int Other = 0;

    [CName("SCHED_BATCH")]
    public const int Batch = 3;
}
