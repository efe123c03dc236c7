// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Formats;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class TablePlannerTests
{
    private const ulong Chunk = 8;

    private static readonly ChunkGeometry Whole = new(10 * Chunk, Chunk);

    [Test]
    public void ADeviceWithoutCommittedChunksIsOneCowLine() =>
        Assert.That(TablePlanner.Plan(Whole, [], 64), Is.EqualTo(new PlannedLine[] { new(0, 80, false, 0, 0) }));

    [Test]
    public void AFullyRewrittenIdentityOverlayIsOneLinearLine()
    {
        PlacedRun[] runs = [Run(0, 4, 0), Run(4, 6, 32)];
        Assert.That(TablePlanner.Plan(Whole, runs, 1), Is.EqualTo(new PlannedLine[] { new(0, 80, true, 0, 0) }));
    }

    [Test]
    public void ARunInTheMiddleMakesThreeLines() => Assert.That(
        TablePlanner.Plan(Whole, [Run(3, 2, 1000)], 3),
        Is.EqualTo(new PlannedLine[] { new(0, 24, false, 0, 0), new(24, 16, true, 0, 1000), new(40, 40, false, 0, 0) }));

    [Test]
    public void ARunThatDoesNotFitTheBudgetStaysInTheCowLine() =>
        Assert.That(TablePlanner.Plan(Whole, [Run(3, 2, 1000)], 2), Has.Count.EqualTo(1));

    [Test]
    public void ARunMustBeWorthEachLineThatItAdds()
    {
        PlacedRun[] runs = [Run(3, 3, 1000), Run(8, 2, 2000)];
        Assert.Multiple(() =>
        {
            Assert.That(TablePlanner.Plan(Whole, runs, 64, worth: 1), Has.Count.EqualTo(4));
            Assert.That(TablePlanner.Plan(Whole, runs, 64, worth: 2), Is.EqualTo(new PlannedLine[] { new(0, 64, false, 0, 0), new(64, 16, true, 0, 2000) }));
            Assert.That(TablePlanner.Plan(Whole, runs, 64, worth: 3), Has.Count.EqualTo(1));
            Assert.That(TablePlanner.Plan(Whole, [Run(0, 10, 1000)], 64, worth: 11), Has.Count.EqualTo(1).And.All.Matches<PlannedLine>(line => line.Linear));
        });
    }

    [Test]
    public void TheLongestRunsComeFirst()
    {
        List<PlannedLine> lines = TablePlanner.Plan(Whole, [Run(1, 1, 1000), Run(4, 3, 2000), Run(8, 1, 3000)], 3);
        Assert.That(lines.Single(line => line.Linear), Is.EqualTo(new PlannedLine(32, 24, true, 0, 2000)));
    }

    [Test]
    public void ACutOffLastChunkCutsTheLine()
    {
        var geometry = new ChunkGeometry((9 * Chunk) + 3, Chunk);
        List<PlannedLine> lines = TablePlanner.Plan(geometry, [Run(8, 2, 1000)], 64);
        Assert.That(lines[^1], Is.EqualTo(new PlannedLine(64, 11, true, 0, 1000)));
        Assert.That(TablePlanner.CollapsedChunks(geometry, lines), Is.EqualTo(2));
    }

    [Test]
    public void EveryPlanIsACoverOnTheGridInsideTheBudgetThatMapsWhatIsCommitted() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(500),
        Prop.ForAll(ArbMap.Default.ArbFor<int>(), seed => Judge(new Random(seed))));

    [Test]
    public void MoreBudgetNeverCollapsesLess() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(200),
        Prop.ForAll(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new Random(seed);
            (ChunkGeometry geometry, List<PlacedRun> runs) = AnyStore(random);
            int budget = random.Next(1, 20);
            ulong less = TablePlanner.CollapsedChunks(geometry, TablePlanner.Plan(geometry, runs, budget));
            ulong more = TablePlanner.CollapsedChunks(geometry, TablePlanner.Plan(geometry, runs, 10_000));
            return more >= less && more == (ulong)runs.Sum(run => (long)run.Run.Count);
        }));

    private static bool Judge(Random random)
    {
        (ChunkGeometry geometry, List<PlacedRun> runs) = AnyStore(random);
        int budget = random.Next(1, 20);
        List<PlannedLine> lines = TablePlanner.Plan(geometry, runs, budget);
        ulong at = 0;
        foreach (PlannedLine line in lines)
        {
            bool fits = line.Start == at && line.Length > 0 && line.Start % geometry.ChunkSectors == 0;
            if (!fits || (line.Linear && !MapsWhatIsCommitted(geometry, runs, line)))
            {
                return false;
            }

            at = line.End;
        }

        bool merged = lines.Zip(lines.Skip(1)).All(pair => pair.First.Linear || pair.Second.Linear);
        return at == geometry.Sectors && lines.Count <= budget && merged;
    }

    private static bool MapsWhatIsCommitted(ChunkGeometry geometry, List<PlacedRun> runs, PlannedLine line)
    {
        for (ulong sector = line.Start; sector < line.End; sector++)
        {
            ulong chunk = geometry.ChunkOf(sector);
            PlacedRun run = runs.Find(run => chunk >= run.Run.Chunk && chunk < run.Run.End);
            ulong place = run.Place.Sector + sector - geometry.SectorOf(run.Run.Chunk);
            if (run.Run.Count == 0 || place != line.Sector + sector - line.Start)
            {
                return false;
            }
        }

        return true;
    }

    private static (ChunkGeometry Geometry, List<PlacedRun> Runs) AnyStore(Random random)
    {
        var geometry = new ChunkGeometry((ulong)random.Next(1, 600), Chunk);
        var runs = new List<PlacedRun>();
        ulong next = 1000;
        for (ulong chunk = (ulong)random.Next(3); chunk < geometry.Chunks;)
        {
            ulong count = Math.Min((ulong)random.Next(1, 9), geometry.Chunks - chunk);
            runs.Add(Run(chunk, count, next));
            next += (count + (ulong)random.Next(2)) * Chunk;
            chunk += count + (ulong)Math.Max(0, random.Next(-2, 4));
        }

        return (geometry, runs);
    }

    private static PlacedRun Run(ulong chunk, ulong count, ulong sector) => new(new ChunkRun(chunk, count), new Place(0, sector));
}
