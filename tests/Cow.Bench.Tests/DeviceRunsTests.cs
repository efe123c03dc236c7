// SPDX-License-Identifier: MIT
using Cow.Bench.Devices;
using NUnit.Framework;

namespace Cow.Bench.Tests;

/// <summary>What the figures of a guest are divided by, and what becomes of those that are not there.</summary>
internal sealed class DeviceRunsTests
{
    private const string Rewrite = "rewrite-random-4k";
    private const string Four = "four-" + Rewrite;

    private string _file = null!;

    [SetUp]
    public void MakeAFile() => _file = Path.GetTempFileName();

    [TearDown]
    public void DeleteTheFile() => File.Delete(_file);

    [Test]
    public void ATargetIsDividedByLinearOfItsRound()
    {
        DeviceRuns runs = Runs("1 rewrite-random-4k linear 100", "1 rewrite-random-4k cow-8 75", "2 rewrite-random-4k cow-8 10", "2 rewrite-random-4k linear 20");
        Assert.That(runs.Of(Rewrite, "cow-8"), Is.EqualTo(new Ratio(0.625, 0.5, 0.75, 42.5)));
        Assert.That(runs.Of(Rewrite, "linear")!.Median, Is.EqualTo(1));
        Assert.That(runs.Of(Rewrite, "cow-128"), Is.Null);
    }

    [Test]
    public void AChainAndAPairHaveYardsticksOfTheirOwn()
    {
        DeviceRuns runs = Runs(
            "1 read-unaltered linear 7", "1 read-unaltered chain-1 100", "1 read-unaltered chain-30 99",
            "1 pair-read-unaltered qemu-nbd 10", "1 pair-read-unaltered cowctl 60", "1 pair-read-unaltered linear 80");
        Assert.That(runs.Of("read-unaltered", "chain-30")!.Median, Is.EqualTo(0.99));
        Assert.That(runs.Of("pair-read-unaltered", "cowctl")!.Median, Is.EqualTo(6));
        Assert.That(runs.Of("pair-read-unaltered", "linear")!.Median, Is.EqualTo(8));
    }

    [Test]
    public void FourAreDividedByOneOnBothSides()
    {
        // Twice what one does, where linear makes it 2.5: and each target by the linear that ran beside it.
        DeviceRuns runs = Runs(
            "1-cow-8 one-rewrite-random-4k linear 100", "1-cow-8 one-rewrite-random-4k cow-8 80",
            "1-cow-8 four-rewrite-random-4k cow-8 160", "1-cow-8 four-rewrite-random-4k linear 250",
            "1-cow-128 one-rewrite-random-4k linear 10", "1-cow-128 one-rewrite-random-4k cow-128 8",
            "1-cow-128 four-rewrite-random-4k cow-128 16", "1-cow-128 four-rewrite-random-4k linear 16");
        Assert.That(runs.Of(Four, "cow-8")!.Median, Is.EqualTo(0.8));
        Assert.That(runs.Of(Four, "cow-128")!.Median, Is.EqualTo(1.25));
        Assert.That(runs.Jobs, Is.EqualTo(new[] { Four }), "those of one are only there to be divided by");
    }

    [TestCase("1-cow-8 one-rewrite-random-4k linear 100", "1-cow-8 one-rewrite-random-4k cow-8 80", "1-cow-8 four-rewrite-random-4k cow-8 160")]
    [TestCase("1-cow-8 four-rewrite-random-4k cow-8 160", "1-cow-8 four-rewrite-random-4k linear 250")]
    public void WhatCannotBeDividedIsNotMeasured(params string[] lines) => Assert.That(Runs(lines).Of(Four, "cow-8"), Is.Null);

    [Test]
    public void AnEndInTheMiddleLeavesWhatWasMeasuredBefore()
    {
        DeviceRuns runs = Runs("1 rewrite-random-4k linear 100", "1 rewrite-random-4k cow-8 90", "2 rewrite-random-4k cow-8 20", "3 rewrite-random");
        Assert.That(runs.Of(Rewrite, "cow-8")!.Median, Is.EqualTo(0.9));
    }

    [Test]
    public void WhatIsNotMeasuredIsMissed()
    {
        File.WriteAllLines(_file, ["RESULT 1 rewrite-random-4k linear 100", "RESULT 1 rewrite-random-4k cow-8 99", "RESULT 1 rewrite-random-4k cow-128 98"]);
        string[] missed = [.. KernelRuns.Read(_file).Missed()];
        Assert.That(missed, Does.Not.Contain("rewrite-random-4k on cow-8"));
        Assert.That(missed, Does.Contain("rewrite-random-4k on cow-128"), "below its bar");
        Assert.That(missed, Does.Contain("rewrite-random-4k on bitmap-128").And.Contain("reload-pause-against-linear"), "not there");
    }

    private DeviceRuns Runs(params string[] lines)
    {
        File.WriteAllLines(_file, ["== a guest's small talk", .. lines.Select(line => "RESULT " + line)]);
        return DeviceRuns.Read(_file);
    }
}
