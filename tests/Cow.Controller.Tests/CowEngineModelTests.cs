// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>
/// Random histories of a whole device, controller killed at any write and power cut at any moment, against a plain array: the durability rules of the
/// design. Every failure prints its seed.
/// </summary>
[TestFixture("snapshot", false)]
[TestFixture("bitmap", false)]
[TestFixture("snapshot", true)]
[TestFixture("bitmap", true)]
[TestFixture("qcow2", false)]
[TestFixture("qcow2", true)]
internal sealed class CowEngineModelTests(string format, bool grants)
{
    [Test]
    public void ADeviceBehavesLikeADisk([Range(1, 25)] int seed) => Ran(seed);

    /// <summary>Of one history it cannot be said: an early error may turn the device read-only before the first grant.</summary>
    [Test]
    public void FirstWritesTakeGrantedPlacesWhereThereAreAny() =>
        Assert.That(Enumerable.Range(1, 25).Sum(seed => Ran(seed).Taken) > 0, Is.EqualTo(grants));

    [Test]
    public void AControllerMayBeKilledAtAnyWrite([Range(1, 40)] int seed) => new History(format, seed, grants).Run(400, kills: true);

    [Test]
    public void WhatAFlushAcknowledgedSurvivesAPowerCut([Range(1, 40)] int seed)
    {
        var history = new History(format, seed, grants);
        for (int cut = 0; cut < 30; cut++)
        {
            history.Steps(10 + (cut * 2), kills: true);
            history.CutPower();
        }

        history.Run(20, kills: false);
    }

    [Test]
    public void AKernelThatKnowsNothingYetReadsAndWritesWhatIsThere([Range(1, 25)] int seed)
    {
        var history = new History(format, seed, grants);
        for (int start = 0; start < 12; start++)
        {
            history.Steps(40, kills: true);
            history.Restart();
        }

        history.Run(20, kills: false);
    }

    private History Ran(int seed)
    {
        var history = new History(format, seed, grants);
        history.Run(400, kills: false);
        return history;
    }
}
