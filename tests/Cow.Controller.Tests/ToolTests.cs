// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Real;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
[NonParallelizable]
internal sealed class ToolTests
{
    private string? _path;

    [SetUp]
    public void SetUp()
    {
        _path = Environment.GetEnvironmentVariable("PATH");
        Environment.SetEnvironmentVariable("PATH", "/usr/bin:/bin");
    }

    [TearDown]
    public void TearDown() => Environment.SetEnvironmentVariable("PATH", _path);

    [Test]
    public void AProgramOfRootIsFoundWithoutAPathToIt()
    {
        if (!File.Exists("/usr/sbin/ldconfig") && !File.Exists("/sbin/ldconfig"))
        {
            Assert.Ignore("no ldconfig");
        }

        Assert.That(Tool.Run("ldconfig", "--version").Code, Is.Zero);
    }

    [Test]
    public void AMissingProgramHasTheExitCodeOfAShell() => Assert.That(Tool.Run("no-such-program").Code, Is.EqualTo(Tool.Missing));
}
