// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>The status line of a <c>cow</c> target, in its documented order. All lines of a device print the same, since they share one context.</summary>
internal readonly record struct KernelCounters(
    ulong Outstanding, ulong OldestMilliseconds, ulong Served, ulong Copies, ulong Skipped, ulong Errors, string Mode, ulong MapBytes)
{
    private const int Words = 12;

    /// <summary>Zeros when no line is a <c>cow</c> line: then the kernel holds nothing.</summary>
    public static KernelCounters Parse(IReadOnlyList<TargetLine> status)
    {
        foreach (TargetLine line in status)
        {
            string[] words = line.Parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (line.Type == "cow" && words.Length >= Words)
            {
                return new(Number(words[2]), Number(words[3]), Number(words[6]), Number(words[7]), Number(words[8]), Number(words[9]), words[10], Number(words[11]));
            }
        }

        return new(0, 0, 0, 0, 0, 0, "rw", 0);
    }

    private static ulong Number(string word) =>
        ulong.TryParse(word, CultureInfo.InvariantCulture, out ulong value) ? value : 0;
}
