// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

internal sealed class PlacedRunsTests
{
    /// <summary>Against a plain queue: batches come and go, small and large ones.</summary>
    [Test]
    public void WhatIsAddedIsThereUntilItIsDropped([Range(1, 10)] int seed)
    {
        var random = new Random(seed);
        PlacedRuns runs = new();
        Queue<PlacedRun> model = new();
        for (int step = 0; step < 2000; step++)
        {
            PlacedRun[] added = [.. Enumerable.Range(0, random.Next(random.Next(2) * 300)).Select(_ => Draw(random))];
            Add(runs, added, inPlace: random.Next(2) == 0);
            Array.ForEach(added, model.Enqueue);
            int dropped = random.Next(4) == 0 ? model.Count : random.Next(model.Count + 1) / 2;
            runs.Drop(dropped);
            for (int i = 0; i < dropped; i++)
            {
                model.Dequeue();
            }

            Assert.That(runs.Count, Is.EqualTo(model.Count));
            Assert.That(runs.Runs.SequenceEqual(model.ToArray()), Is.True, $"step {step}");
        }

        runs.Clear();
        Assert.That(runs.Count, Is.Zero);
        runs.Add([Draw(random)]);
        Assert.That(runs.Runs.Length, Is.EqualTo(1));
        Assert.That(() => runs.Drop(runs.Count + 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static void Add(PlacedRuns runs, PlacedRun[] added, bool inPlace)
    {
        if (!inPlace)
        {
            runs.Add(added);
            return;
        }

        // Room for more than comes.
        added.CopyTo(runs.Room(added.Length + 5));
        runs.Keep(added.Length);
    }

    private static PlacedRun Draw(Random random) =>
        new(new ChunkRun((ulong)random.Next(), 1), new Place(random.Next(3), (ulong)random.Next()));
}
