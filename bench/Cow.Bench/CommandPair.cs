// SPDX-License-Identifier: MIT
using System.Diagnostics;
using System.Globalization;

namespace Cow.Bench;

/// <summary>Two commands that do the same, timed in turns: what else the machine does meanwhile meets both.</summary>
/// <param name="Name">What they do.</param>
/// <param name="Ours">Our command, and its arguments.</param>
/// <param name="Theirs">QEMU's.</param>
internal sealed record CommandPair(string Name, string[] Ours, string[] Theirs)
{
    private const int Pairs = 7;

    /// <summary>Runs them.</summary>
    /// <param name="made">A file that either makes; it is deleted before each run.</param>
    /// <returns>The median of our time divided by theirs, pair by pair; the same of processor time beside it.</returns>
    public Bar Run(string? made)
    {
        (double Elapsed, double Processor)[] ours = new (double, double)[Pairs];
        (double Elapsed, double Processor)[] theirs = new (double, double)[Pairs];
        for (int i = -1; i < Pairs; i++)
        {
            // The first pair only brings programs and images into memory; then each goes first in its turn.
            (double, double) first = Time(i % 2 == 0 ? Ours : Theirs, made);
            (double, double) second = Time(i % 2 == 0 ? Theirs : Ours, made);
            if (i >= 0)
            {
                (ours[i], theirs[i]) = i % 2 == 0 ? (first, second) : (second, first);
            }
        }
        double processor = Median(ours.Zip(theirs, static (a, b) => a.Processor / b.Processor));
        string note = string.Create(
            CultureInfo.InvariantCulture,
            $"{Median(ours.Select(static t => t.Elapsed)):F2} s and {Median(theirs.Select(static t => t.Elapsed)):F2} s; processor time {processor:F2} x");
        return new Bar(Name, Median(ours.Zip(theirs, static (a, b) => a.Elapsed / b.Elapsed)), 1, "x", note);
    }

    /// <summary>Runs a command that must succeed; what it prints goes nowhere.</summary>
    /// <returns>Seconds that passed, and seconds of processor time.</returns>
    public static (double Elapsed, double Processor) Time(string[] command, string? made = null)
    {
        if (made is not null)
        {
            File.Delete(made);
        }
        // "times" prints two lines, of the shell and of what it ran, each with user and system time: 0m1.250s 0m0.030s.
        ProcessStartInfo start = new("/bin/sh", ["-c", "\"$@\" >/dev/null && times", "sh", .. command]) { RedirectStandardOutput = true };
        long begun = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start)!;
        string times = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        double elapsed = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return process.ExitCode == 0
            ? (elapsed, times.Split('\n')[1].Split(' ').Sum(Seconds))
            : throw new InvalidOperationException($"{string.Join(' ', command)} failed with {process.ExitCode}");
    }

    private static double Seconds(string time)
    {
        string[] parts = time.TrimEnd('s').Split('m');
        return (double.Parse(parts[0], CultureInfo.InvariantCulture) * 60) + double.Parse(parts[1], CultureInfo.InvariantCulture);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
