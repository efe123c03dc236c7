// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>When the calling thread runs (sched(7)).</summary>
public static class ThreadScheduling
{
    private const int Usual = 0;
    private const int LeastNice = -20;

    /// <summary>The nice value: -20 (gets most of a processor that is shared) to 19. On Linux it is a thread's, which begins with that of its starter.</summary>
    public static int Nice => LibC.GetPriority(ResourceNumbers.PriorityOfProcess, 0);

    /// <summary>Sets <see cref="Nice"/>; to a lower one with CAP_SYS_NICE alone.</summary>
    /// <returns>Whether it was done.</returns>
    public static bool TrySetNice(int nice) => LibC.SetPriority(ResourceNumbers.PriorityOfProcess, 0, nice) == 0;

    /// <summary>Starts a thread that is as nice as usual (0) and has to set what it wants to be.</summary>
    /// <remarks>.NET waits for a new thread by sched_yield. Whoever is less nice and has slept is picked again all the same, for tens of milliseconds where both
    /// have one processor (Linux before 6.6; place_entity() of kernel/sched/fair.c counts sleep and the new thread's turn by weight). So the caller is as
    /// nice as usual, too, until the thread runs; not where it could not go back.</remarks>
    public static void Start(Thread thread)
    {
        ArgumentNullException.ThrowIfNull(thread);
        int nice = Nice;
        bool canGoBack = nice is < Usual and > LeastNice && TrySetNice(nice - 1);
        _ = canGoBack && TrySetNice(Usual);
        try
        {
            thread.Start();
        }
        finally
        {
            _ = canGoBack && TrySetNice(nice);
        }
    }

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
