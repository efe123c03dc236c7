// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>When the calling thread runs (sched(7)).</summary>
public static class ThreadScheduling
{
    /// <summary>Lets whoever wakes this thread go on until it sleeps or its time is up, where both have one processor (SCHED_BATCH). A thread to which
    /// somebody gave another policy than the usual one keeps it.</summary>
    /// <returns>Whether it was done.</returns>
    public static unsafe bool TryYieldToWaker()
    {
        int priority = 0;
        return LibC.SchedGetScheduler(0) == SchedulingNumbers.Other
            && LibC.SchedSetScheduler(0, SchedulingNumbers.Batch, &priority) == 0;
    }
}
