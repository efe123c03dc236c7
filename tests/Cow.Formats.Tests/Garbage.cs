// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

/// <summary>Counts what code leaves to the garbage collector.</summary>
internal static class Garbage
{
    /// <summary>Bytes that <paramref name="action"/> allocates each time, once it is warm. A collection in another thread charges us with the rest
    /// of our allocation buffer: the least of some tries is the truth.</summary>
    public static long Of(Action action)
    {
        action();
        long least = long.MaxValue;
        for (int i = 0; i < 5 && least > 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
