// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class ProcessPinningTests
{
    [Test]
    public void AnAppHostIsStartedByItself() => Assert.That(
        ExecImage.Arguments("/usr/bin/cowctl", ["daemon", "run"]),
        Is.EqualTo((string[])["/usr/bin/cowctl", "daemon", "run"]));

    [Test]
    public void TheDotnetHostIsToldItsAssembly() => Assert.That(
        ExecImage.Arguments("/usr/bin/dotnet", ["daemon"]),
        Is.EqualTo(new[] { "/usr/bin/dotnet", Environment.GetCommandLineArgs()[0], "daemon" }));

    [Test]
    public void TheEnvironmentIsChangedNotReplaced()
    {
        var changed = ExecImage.Environment(new Dictionary<string, string?> { ["COW_TEST"] = "1=2", ["PATH"] = null });
        Assert.That(changed, Does.Contain("COW_TEST=1=2"));
        Assert.That(changed, Has.None.StartsWith("PATH="));
        Assert.That(changed, Has.Count.GreaterThan(1));
    }

    [Test]
    public void AProgramThatIsNotThereIsAnError() => Assert.That(
        () => ExecImage.Run("/nowhere/at/all", ["a"], []),
        Throws.TypeOf<LinuxException>().With.Message.StartsWith("/nowhere/at/all: execve: "));

    [TestCase(-1001)]
    [TestCase(1001)]
    public void ScoresThatDoNotExistAreRefused(int score) => Assert.That(
        () => ProcessPinning.SetOomScore(score), Throws.TypeOf<ArgumentOutOfRangeException>());

    [Test]
    public void TestsAreNoFlushers() => Assert.That(ProcessPinning.IsIoFlusher, Is.False);
}
