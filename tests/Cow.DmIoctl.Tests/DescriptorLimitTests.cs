// SPDX-License-Identifier: MIT
using System.Diagnostics;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class DescriptorLimitTests
{
    [Test]
    public void AllThatIsAllowedIsTaken()
    {
        (ulong soft, ulong hard) = Limits();
        Lower(soft - 1);
        Assume.That(Limits().Soft, Is.EqualTo(soft - 1));
        Assert.That(DescriptorLimit.TryRaise(), Is.True);
        (ulong raised, ulong most) = Limits();
        Assert.That(raised, Is.EqualTo(most));
        Assert.That(most, Is.GreaterThanOrEqualTo(hard));
    }

    private static void Lower(ulong soft)
    {
        using var tool = System.Diagnostics.Process.Start(new ProcessStartInfo("prlimit", ["--pid", $"{Environment.ProcessId}", $"--nofile={soft}:"]))!;
        tool.WaitForExit();
    }

    private static (ulong Soft, ulong Hard) Limits()
    {
        string[] words = File.ReadLines("/proc/self/limits")
            .First(static line => line.StartsWith("Max open files", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (ulong.Parse(words[3], null), ulong.Parse(words[4], null));
    }
}
