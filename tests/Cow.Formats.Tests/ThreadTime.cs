// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.Formats.Tests;

/// <summary>Time that the calling thread has had a processor: what it takes does not depend on who else wants one.</summary>
internal static partial class ThreadTime
{
    /// <summary>CLOCK_THREAD_CPUTIME_ID (linux/time.h).</summary>
    private const int Clock = 3;

    /// <summary>So far.</summary>
    public static TimeSpan Used => ClockGetTime(Clock, out Timespec time) == 0
        ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromMicroseconds(time.Nanoseconds / 1000)
        : throw new InvalidOperationException("the thread has no clock");

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Timespec
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }
}
