// SPDX-License-Identifier: MIT
using System.Diagnostics;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class PidFdTests
{
    [Test]
    public void AKilledProcessIsWaitedFor()
    {
        using var sleeper = Process.Start("sleep", "60");
        using var process = PidFd.Open(sleeper.Id);
        Assert.That(process.WaitForExit(0), Is.False);
        Assert.That(process.WaitForExit(30), Is.False);
        Assert.That(process.Kill(0), Is.True);
        Assert.That(process.Kill(PidFd.SigKill), Is.True);
        Assert.That(process.WaitForExit(20_000), Is.True);
        sleeper.WaitForExit();
        Assert.That(process.Kill(PidFd.SigKill), Is.False);
    }

    [Test]
    public void AProcessThatIsNotThereIsAnError() => Assert.That(() => PidFd.Open(int.MaxValue),
        Throws.TypeOf<LinuxException>().With.Property("Errno").AnyOf(Errno.ESRCH, Errno.EINVAL));
}
