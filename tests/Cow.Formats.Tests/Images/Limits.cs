// SPDX-License-Identifier: MIT
using System.Runtime.ExceptionServices;

namespace Cow.Formats.Tests.Images;

/// <summary>What work on a hostile image may take: 2 seconds and 256 MiB.</summary>
internal static class Limits
{
    /// <summary>A hang is given up after this: far more than allowed, for a loaded machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private const long MostBytes = 256L << 20;

    private const double MostSeconds = 2;

    /// <summary>Runs work of any number of steps in a thread of its own, so that a hang fails the test and no more. Of each step its memory is bounded,
    /// and its processor time.</summary>
    /// <param name="count">Number of steps.</param>
    /// <param name="step">Does the step of a number.</param>
    /// <param name="name">Describes the step of a number.</param>
    public static void Run(int count, Action<int> step, Func<int, string> name)
    {
        int now = -1;
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                for (int i = 0; i < count; i++)
                {
                    Volatile.Write(ref now, i);
                    RunOne(() => step(i), () => name(i));
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
        })
        { IsBackground = true };
        thread.Start();
        for (int seen = -2; !thread.Join(Hang);)
        {
            int at = Volatile.Read(ref now);
            Assert.That(at, Is.Not.EqualTo(seen), () => $"{name(at)} hangs");
            seen = at;
        }
        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private static void RunOne(Action step, Func<string> name)
    {
        long bytes = GC.GetAllocatedBytesForCurrentThread();
        TimeSpan start = ThreadTime.Used;
        step();
        TimeSpan time = ThreadTime.Used - start;
        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        // Not Assert.That: this is asked for each of thousands of mutants.
        if (bytes > MostBytes || time.TotalSeconds > MostSeconds * Slack)
        {
            Assert.Fail($"{name()}: {bytes >> 20} MiB in {time.TotalSeconds:F1} s");
        }
    }

    /// <summary>How much longer than on a fast machine.</summary>
    private const double Slack = 4;
}
