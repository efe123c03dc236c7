// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.Formats;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>How a store is walked while its device is served.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class RunCollectorTests
{
    private const ulong Chunk = 8;
    private const ulong Chunks = (3 * CowEngine.Wide) + 5;

    private static readonly ChunkGeometry Geometry = new(Chunks * Chunk, Chunk);

    private readonly RunCollector _collector = new(Geometry, segments: 4);

    [Test]
    public void NoLookUpReachesForAllThatThereIsAndARunIsWholeAllTheSame()
    {
        var store = new WalkedStore();
        while (_collector.Step(store, 2))
        {
        }

        Assert.That(store.Limits, Is.EqualTo([CowEngine.Wide, CowEngine.Wide, CowEngine.Wide, 5UL]));
        Assert.That(_collector.Result(), Is.EqualTo([new PlacedRun(new ChunkRun(0, Chunks), new Place(0, 0))]));
    }

    [Test]
    public void AStepIsSoManyLookUpsAtMost()
    {
        var store = new WalkedStore { Longest = 1 };
        Assert.That(_collector.Step(store, 7), Is.True);
        Assert.That(store.Limits, Has.Count.InRange(1, 7));
    }

    [Test]
    public void AStepEndsSoonWhereALookUpTakesLong()
    {
        var store = new WalkedStore { Longest = 1, Takes = TimeSpan.FromMilliseconds(60) };
        for (int step = 1; step <= 2; step++)
        {
            Assert.That(_collector.Step(store, 4096), Is.True);
            Assert.That(store.Limits, Has.Count.EqualTo(step));
        }
    }
}
