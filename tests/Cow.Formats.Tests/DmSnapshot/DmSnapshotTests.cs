// SPDX-License-Identifier: MIT
using System.Buffers.Binary;

namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>What dm-snapshot's store has beside the contract: its bytes, its areas, and the stock kernel target as the other writer.</summary>
[TestFixture]
internal sealed class DmSnapshotTests
{
    private const int Chunk = 4096;
    private const uint ChunkSectors = 8;
    private const ulong EntriesPerArea = 256;

    private static readonly IFormatDriver Driver = FormatRegistry.Find("snapshot")!;

    [Test]
    public void AnEmptyStoreIsAHeaderAndAnEmptyArea()
    {
        byte[] bytes = Garbage(10);
        Driver.Create(new FormatFiles(new MemoryFile(bytes)), new CreateOptions(1 << 20, ChunkSectors));
        byte[] header = [0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0];
        Assert.That(bytes[..16], Is.EqualTo(header));
        Assert.That(bytes[16..(2 * Chunk)], Is.All.Zero);
        Assert.That(bytes[(2 * Chunk)..], Is.All.EqualTo(0xee), "data chunks are nobody's business");
    }

    [Test]
    public void AnEntryIsOldChunkAndNewChunk()
    {
        (MemoryFile file, ICowFormat store) = NewStore(10);
        store.Commit([store.Allocate(new ChunkRun(0x102, 2)).Placed]);
        byte[] entries = [2, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        Assert.That(file.Bytes[Chunk..(Chunk + 32)], Is.EqualTo(entries));
        Assert.That(file.Bytes[(Chunk + 32)..], Is.All.Zero);
    }

    [Test]
    public void PlacesAdjoinUpToTheNextArea()
    {
        (_, ICowFormat store) = NewStore(600);
        Allocation first = store.Allocate(new ChunkRun(0, 300));
        Assert.That(first.Placed, Is.EqualTo(new PlacedRun(new ChunkRun(0, 256), new Place(0, 2 * ChunkSectors))));
        Assert.That(first.Metadata, Is.EqualTo(new ByteRange(258 * Chunk, Chunk)), "256 entries fill area 0, so area 1 is needed");
        Allocation second = store.Allocate(new ChunkRun(256, 44));
        Assert.That(second.Placed, Is.EqualTo(new PlacedRun(new ChunkRun(256, 44), new Place(0, 259 * ChunkSectors))));
        Assert.That(second.Metadata, Is.EqualTo(first.Metadata), "who was told first may have found no room for it");
        Assert.That(store.Allocate(new ChunkRun(0, 1)).Metadata, Is.EqualTo(first.Metadata));
        store.Commit([first.Placed]);
        Assert.That(store.Allocate(new ChunkRun(256, 44)).Metadata.Length, Is.Zero, "it is there");
    }

    [Test]
    public void TheNextAreaIsZeroAndDurableBeforeTheLastSlotIsWritten()
    {
        using CrashFile file = new(600 * Chunk);
        file.WriteAt(Garbage(600), 0);
        file.Flush();
        ICowFormat store = Driver.Create(new FormatFiles(file), new CreateOptions(600 * Chunk, ChunkSectors));
        store.Commit([store.Allocate(new ChunkRun(0, 255)).Placed]);
        store.Flush();
        int before = file.Position;
        store.Commit([store.Allocate(new ChunkRun(255, 1)).Placed]);
        for (int seed = 0; seed < 50; seed++)
        {
            StockTarget stock = new(file.CutPower(before + (seed % (file.Position - before + 1)), new Random(seed)).Bytes);
            Assert.That(stock.Map, Has.Count.EqualTo(255).Or.Count.EqualTo(256));
        }
        Assert.That(new StockTarget(Left(file)).Map, Has.Count.EqualTo(256));
    }

    [Test]
    public void AListGoesOnBehindEachOfItsWindows([Values] bool reopened)
    {
        // Chunks of 32 KiB: an area of 2 048 entries is two windows of the log.
        const uint sectors = 64;
        const long bytes = 2200L * 512 * sectors;
        MemoryFile file = new(bytes);
        ICowFormat store = Driver.Create(new FormatFiles(file), new CreateOptions((ulong)bytes, sectors));
        ulong placed = 0;
        foreach (ulong count in (ulong[])[1023, 1, 1, 1022, 1, 1, 30])
        {
            for (ulong end = placed + count; placed < end;)
            {
                PlacedRun run = store.Allocate(new ChunkRun(placed, end - placed)).Placed;
                store.Commit([run]);
                placed = run.Run.End;
            }
            store.Flush();
            Assert.That(new StockTarget(file.Bytes).Map, Has.Count.EqualTo((int)placed));
            if (reopened)
            {
                store = Driver.Open(new FormatFiles(file), new OpenOptions((ulong)bytes, null, ReadOnly: false));
                Assert.That(store.Usage.PlacedChunks, Is.EqualTo(placed));
            }
        }
        store.Commit([store.Allocate(new ChunkRun(placed, 2)).Placed]);
        Assert.That(new StockTarget(file.Bytes).Map.Keys, Is.EqualTo(Enumerable.Range(0, (int)placed + 2).Select(static chunk => (ulong)chunk)));
    }

    [Test]
    public void TheLastSlotOfTheLastAreaStaysFree([Values(258, 259, 260)] int chunks)
    {
        (MemoryFile file, ICowFormat store) = NewStore(chunks);
        ulong placed = 0;
        while (store.Allocate(new ChunkRun(placed, 1)) is { NoSpace: false } answer)
        {
            store.Commit([answer.Placed]);
            placed++;
        }
        Assert.That(placed, Is.EqualTo(chunks switch { 258 => 255, 259 => 256, _ => 257 }));
        StockTarget stock = new(file.Bytes);
        Assert.That(stock.Map, Has.Count.EqualTo((int)placed));
        file.Resize(300 * Chunk);
        store.Grow();
        Assert.That(store.Allocate(new ChunkRun(placed, 1)).NoSpace, Is.False);
    }

    [Test]
    public void TheStockTargetGoesOnWhereWeStoppedAndTheReverse()
    {
        MemoryFile file = new(900 * Chunk);
        Dictionary<ulong, ulong> model = [];
        ICowFormat store = Driver.Create(new FormatFiles(file), new CreateOptions(4000 * Chunk, ChunkSectors));
        Random random = new(3);
        for (int turn = 0; turn < 12; turn++)
        {
            PlaceSome(store, model, random);
            StockTarget stock = new(file.Bytes);
            Assert.That(stock.Map, Is.EquivalentTo(model));
            for (int i = random.Next(40); i > 0; i--)
            {
                ulong chunk = (ulong)random.Next(4000);
                if (!model.ContainsKey(chunk))
                {
                    model[chunk] = stock.Write(chunk);
                }
            }
            Assert.That(model.Values, Is.Unique);
            Assert.That(model.Values, Has.None.Matches<ulong>(c => c % (EntriesPerArea + 1) == 1));
            store = Driver.Open(new FormatFiles(file), new OpenOptions(4000 * Chunk, null, ReadOnly: false));
            Assert.That(store.Usage.PlacedChunks, Is.EqualTo((ulong)model.Count));
        }
    }

    [Test]
    public void AMergedStoreIsAShorterOne()
    {
        (MemoryFile file, ICowFormat store) = NewStore(600);
        store.Commit([store.Allocate(new ChunkRun(0, 256)).Placed]);
        store.Commit([store.Allocate(new ChunkRun(256, 44)).Placed]);
        // snapshot-merge zeros from the end; then the second area is empty and the first has lost some.
        file.Bytes.AsSpan(258 * Chunk, Chunk).Clear();
        file.Bytes.AsSpan(Chunk + (200 * 16), 56 * 16).Clear();
        store = Driver.Open(new FormatFiles(file), new OpenOptions(600 * Chunk, null, ReadOnly: false));
        Assert.That(store.Usage.PlacedChunks, Is.EqualTo(200));
        Assert.That(store.Allocate(new ChunkRun(500, 1)).Placed.Place.Sector, Is.EqualTo(202 * ChunkSectors), "what merging freed is free");
    }

    [Test]
    public void AnInvalidatedStoreIsRefusedWithItsReason()
    {
        (MemoryFile file, _) = NewStore(10);
        file.Bytes[4] = 0;
        Assert.That(() => Open(file), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("invalidated"));
    }

    [Test]
    public void WhatATornWriteLeftBehindIsCleared()
    {
        (MemoryFile file, _) = NewStore(600);
        // The first sector of the area never came, the second did.
        BinaryPrimitives.WriteUInt64LittleEndian(file.Bytes.AsSpan(Chunk + 512), 5);
        BinaryPrimitives.WriteUInt64LittleEndian(file.Bytes.AsSpan(Chunk + 512 + 8), 2);
        using ICowFormat readOnly = Driver.Open(new FormatFiles(file), new OpenOptions(600 * Chunk, null, ReadOnly: true));
        Assert.That(readOnly.Check().Leaks, Has.Count.EqualTo(1));
        ICowFormat store = Open(file);
        store.Commit([store.Allocate(new ChunkRun(0, 32)).Placed]);
        Assert.That(Open(file).Usage.PlacedChunks, Is.EqualTo(32));
    }

    [Test]
    public void TheEstimateIsWhatARewriteTakes([Values(1, 254, 255, 256, 257, 511, 512, 600)] int chunks)
    {
        CreateOptions options = new((ulong)(chunks * Chunk) - 512, ChunkSectors);
        SpaceEstimate estimate = Driver.Estimate(options);
        ICowFormat store = Driver.Create(new FormatFiles(new MemoryFile((long)estimate.TotalBytes)), options);
        for (ulong chunk = 0; chunk < (ulong)chunks;)
        {
            Allocation answer = store.Allocate(new ChunkRun(chunk, (ulong)chunks));
            Assert.That(answer.NoSpace, Is.False);
            chunk = answer.Placed.Run.End;
        }
        Assert.That(store.Usage, Is.EqualTo(new Usage((ulong)chunks, (long)estimate.TotalBytes, (long)estimate.MetadataBytes, (long)estimate.TotalBytes)));
    }

    private static void PlaceSome(ICowFormat store, Dictionary<ulong, ulong> model, Random random)
    {
        for (int i = random.Next(20); i > 0; i--)
        {
            PlacedRun placed = store.Allocate(new ChunkRun((ulong)random.Next(3900), (ulong)random.Next(1, 20))).Placed;
            // Some places are never committed: holes, when the store is opened again.
            if (random.Next(3) > 0)
            {
                store.Commit([placed]);
                for (ulong c = 0; c < placed.Run.Count; c++)
                {
                    model[placed.Run.Chunk + c] = (placed.Place.Sector / ChunkSectors) + c;
                }
            }
        }
    }

    private static byte[] Garbage(int chunks)
    {
        byte[] bytes = new byte[chunks * Chunk];
        bytes.AsSpan().Fill(0xee);
        return bytes;
    }

    private static byte[] Left(CrashFile file)
    {
        byte[] bytes = new byte[file.Length];
        file.ReadAt(bytes, 0);
        return bytes;
    }

    private static ICowFormat Open(MemoryFile file) => Driver.Open(new FormatFiles(file), new OpenOptions(600 * Chunk, null, ReadOnly: false));

    private static (MemoryFile File, ICowFormat Store) NewStore(int chunks)
    {
        MemoryFile file = new(Garbage(chunks));
        file.Bytes.AsSpan(0, Math.Min(10, chunks) * Chunk).Clear();
        return (file, Driver.Create(new FormatFiles(file), new CreateOptions(600 * Chunk, ChunkSectors)));
    }
}
