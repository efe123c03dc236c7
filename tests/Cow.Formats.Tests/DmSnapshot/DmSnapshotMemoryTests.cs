// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>What an opened store keeps in memory. Alone, since the collector counts what all threads hold.</summary>
[TestFixture]
[NonParallelizable]
internal sealed class DmSnapshotMemoryTests
{
    [Test]
    public void AMillionEntriesInRandomOrderTakeLittle()
    {
        const int Count = 1_000_000;
        IFormatDriver driver = FormatRegistry.Find("snapshot")!;
        MemoryFile file = new((Count + (Count / 32) + 100) * 512L);
        ICowFormat store = driver.Create(new FormatFiles(file), new CreateOptions(2UL * Count * 512, 1));
        ulong[] chunks = [.. Enumerable.Range(0, Count).Select(i => 2UL * (ulong)i)];
        new Random(1).Shuffle(chunks);
        List<PlacedRun> runs = [.. chunks.Select(c => store.Allocate(new ChunkRun(c, 1)).Placed)];
        store.Commit([.. runs]);

        long before = GC.GetTotalMemory(forceFullCollection: true);
        using ICowFormat again = driver.Open(new FormatFiles(file), new OpenOptions(2UL * Count * 512, null, ReadOnly: true));
        long bytes = GC.GetTotalMemory(forceFullCollection: true) - before;
        TestContext.Out.WriteLine($"{(double)bytes / Count:0.0} bytes an entry");
        Assert.That(again.Usage.PlacedChunks, Is.EqualTo(Count));
        Assert.That(bytes, Is.LessThan(34L * Count));
    }
}
