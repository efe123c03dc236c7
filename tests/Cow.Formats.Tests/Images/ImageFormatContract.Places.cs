// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>The life of a place: reserved, adopted, abandoned, committed.</summary>
internal abstract partial class ImageFormatContract
{
    [Test]
    public void AReservedPlaceIsTheSameWhenAskedAgain() => WithEach((disk, files) =>
    {
        IDiskImage image = disk.Chain.Images[0];
        PlacedRun first = image.Reserve(new ChunkRun(0, 1), out _);
        Assert.That(first.Run.Count, Is.EqualTo(1));
        Assert.That(image.Reserve(new ChunkRun(0, 1), out _), Is.EqualTo(first));
        Assert.That(image.Lookup(0, 512).Kind, Is.Not.EqualTo(ImageExtentKind.Data), "what is reserved is not there yet");
        Allocation again = disk.Chain.Allocate(new ChunkRun(0, 1));
        Assert.That(again.Placed, Is.EqualTo(first));
        Assert.That(again.Fill, Is.EqualTo(Fill.Copy));
    });

    [Test]
    public void ReservingWritesNothing() => WithEach((disk, files) =>
    {
        Dictionary<string, byte[]> before = files.All.ToDictionary(f => f.Key, f => files.Bytes(f.Key));
        for (ulong chunk = 0; chunk < Chunks(disk); chunk += 3)
        {
            disk.Chain.Allocate(new ChunkRun(chunk, Math.Min(2, Chunks(disk) - chunk)));
        }
        foreach ((string name, byte[] bytes) in before)
        {
            RequireEqual(files.Bytes(name), bytes, name);
        }
    });

    /// <summary>There was no room for what the first answers told, so nobody was given those places. What is told later is enough.</summary>
    [Test]
    public void WhatACommitNeedsIsToldWithEachPlaceUntilThen()
    {
        foreach (ImageVariant variant in Variants)
        {
            TestContext.Out.WriteLine(variant);
            FullFiles full = new();
            using ImageDisk disk = NewDisk(new MemoryFiles(full.New), variant);
            ulong chunks = Math.Min(Chunks(disk), 2000);
            for (ulong chunk = 0; chunk < chunks; chunk++)
            {
                disk.Chain.Allocate(new ChunkRun(chunk, 1));
            }
            full.Fill();
            List<PlacedRun> kept = [];
            for (ulong chunk = 1; chunk < chunks; chunk += 2)
            {
                kept.Add(Keep(disk, disk.Chain.Allocate(new ChunkRun(chunk, 1))));
            }
            disk.Chain.Commit([.. kept]);
            disk.Chain.Flush();
            RequireSound(disk, variant.ToString(), leaks: true);
        }
    }

    /// <summary>All of a sparse file may be holes. Whoever serves the image gives blocks to what it tells when it is opened, and with each place: that is
    /// enough for every commit.</summary>
    [Test]
    public void ACommitWritesNothingThatWasNotTold()
    {
        foreach (ImageVariant variant in Variants)
        {
            TestContext.Out.WriteLine(variant);
            FullFiles full = new();
            MemoryFiles files = new(full.New);
            Random random = NewRandom(0);
            using (ImageDisk made = NewDisk(files, variant))
            {
                WriteWhatIsKept(made, full, random, $"{variant}, new");
            }
            files = files.Reopened();
            using ImageDisk opened = Open(files, variant);
            WriteWhatIsKept(opened, full, random, $"{variant}, opened");
        }
    }

    [Test]
    public void NoPlaceIsGivenTwice() => WithEach((disk, files) =>
    {
        HashSet<Place> given = [];
        ulong chunkSectors = disk.Chain.Info.ChunkSectors;
        for (ulong chunk = 0; chunk < Chunks(disk); chunk++)
        {
            PlacedRun placed = disk.Chain.Allocate(new ChunkRun(chunk, 1)).Placed;
            Assert.That(given.Add(placed.Place), Is.True, () => $"{placed.Place} twice");
            if (chunk % 3 == 0)
            {
                disk.Chain.Abandon(new ChunkRun(chunk, 1));
            }
        }
        ulong[] sectors = [.. given.Where(p => p.Device == 0).Select(p => p.Sector).Order()];
        Assert.That(sectors.Zip(sectors.Skip(1)).All(pair => pair.Second - pair.First >= chunkSectors), Is.True, "places overlap");
    });

    [Test]
    public void AnAbandonedChunkHasNoPlace() => WithEach((disk, files) =>
    {
        IDiskImage image = disk.Chain.Images[0];
        ImageExtent before = image.Lookup(0, 512);
        PlacedRun first = image.Reserve(new ChunkRun(0, 1), out _);
        image.Abandon(new ChunkRun(0, 1));
        Assert.That(image.Lookup(0, 512), Is.EqualTo(before));
        PlacedRun second = image.Reserve(new ChunkRun(0, 1), out _);
        Assert.That(FixedPlaces || second.Place != first.Place, Is.True, "it could not be written there");
        Assert.That(image.IsGivenUp(0), Is.EqualTo(second.Run.Count == 0), "the image is not full: nobody may wait for room");
    });

    /// <summary>What a daemon gave out before it was killed is taken over by the next one, and committed by that.</summary>
    [Test]
    public void AReservedPlaceIsAdoptedAfterReopening()
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles files = new();
            byte[] data = new byte[512];
            data.AsSpan().Fill(0x5a);
            byte[] model = FirstContent(variant);
            List<PlacedRun> given = [];
            using (ImageDisk disk = NewDisk(files, variant))
            {
                WriteUncommitted(disk, given, model);
            }
            RequireTakenOver(files.Reopened(), variant, given, model);
        }
    }

    /// <summary>Places that adjoin may come back as one run, wherever the format has its borders: blocks, tables, extents.</summary>
    [Test]
    public void RunsThatAdjoinMayBeJoined()
    {
        foreach (ImageVariant variant in Variants)
        {
            TestContext.Out.WriteLine(variant);
            MemoryFiles files = new();
            byte[] model = FirstContent(variant);
            List<PlacedRun> joined = [];
            using (ImageDisk disk = NewDisk(files, variant))
            {
                WriteAll(disk, joined, model);
            }
            RequireTakenOver(files.Reopened(), variant, joined, model);
        }
    }

    /// <summary>Adopted, adopted again, committed, and read by whoever comes next.</summary>
    private void RequireTakenOver(MemoryFiles files, ImageVariant variant, List<PlacedRun> given, byte[] model)
    {
        using (ImageDisk disk = Open(files, variant))
        {
            given.ForEach(disk.Chain.Adopt);
            given.ForEach(disk.Chain.Adopt);
            Assert.That(disk.Chain.Allocate(given[0].Run with { Count = 1 }).Placed.Place, Is.EqualTo(given[0].Place), variant.ToString());
            disk.Chain.Commit([.. given]);
            disk.Chain.Flush();
            given.ForEach(disk.Chain.Adopt);
            RequireEqual(ReadAll(disk), model, variant.ToString());
            disk.Close();
        }
        RequireUntouched(files, variant, model, variant.ToString());
    }

    [Test]
    public void APlaceOfSomethingElseIsNotAdopted() => WithEach((disk, files) =>
    {
        ulong end = Chunks(disk);
        PlacedRun good = disk.Chain.Allocate(new ChunkRun(0, 1)).Placed;
        Assert.That(() => disk.Chain.Adopt(new PlacedRun(new ChunkRun(1, 1), good.Place)), Throws.InstanceOf<ImageFormatException>(), "it is chunk 0's");
        Assert.That(() => disk.Chain.Adopt(good with { Place = good.Place with { Device = 99 } }), Throws.InstanceOf<ImageFormatException>(), "no such file");
        Assert.That(() => disk.Chain.Adopt(good with { Run = new ChunkRun(end, 1) }), Throws.InstanceOf<ImageFormatException>(), "behind the end of the disk");
        Assert.That(() => disk.Chain.Adopt(good with { Run = new ChunkRun(1, ulong.MaxValue) }), Throws.InstanceOf<ImageFormatException>(), "far too long");
        Assert.That(() => disk.Chain.Adopt(new PlacedRun(new ChunkRun(1, 1), new Place(0, ulong.MaxValue / 1024))), Throws.InstanceOf<ImageFormatException>(), "no file reaches there");
        if (!FixedPlaces)
        {
            Assert.That(() => disk.Chain.Adopt(new PlacedRun(new ChunkRun(1, 1), new Place(0, 0))), Throws.InstanceOf<ImageFormatException>(), "the header lies there");
        }
    });

    /// <summary>Reserved and never committed: the daemon closes the device before anybody wrote. No space is lost.</summary>
    [Test]
    public void ClosingGivesBackWhatWasReserved()
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles files = new();
            using (ImageDisk disk = NewDisk(files, variant))
            {
                disk.Write(0, new byte[512]);
                disk.Flush();
                for (ulong chunk = 0; chunk < Chunks(disk); chunk += 2)
                {
                    disk.Chain.Allocate(new ChunkRun(chunk, 1));
                }
                disk.Chain.Close();
            }
            using ImageDisk closed = Open(files.Reopened(), variant, writable: false);
            RequireSound(closed, $"{variant}, reserved and closed");
        }
    }

    /// <summary>A copy failed before it was made, or while it was: the one place is still reserved, the other one abandoned, and nobody knows what is there.
    /// What was committed behind them keeps them in the file.</summary>
    [Test]
    public void WhatWasNeverCommittedReadsAsBefore()
    {
        foreach (ImageVariant variant in Variants)
        {
            TestContext.Out.WriteLine(variant);
            MemoryFiles files = new();
            byte[] model = FirstContent(variant);
            using (ImageDisk disk = NewDisk(files, variant))
            {
                SpoilPlace(disk, 0);
                SpoilPlace(disk, Chunks(disk) / 2);
                disk.Chain.Abandon(new ChunkRun(Chunks(disk) / 2, 1));
                model.AsSpan(^512..).Fill(0x77);
                disk.Write((ulong)model.Length - 512, model.AsSpan(^512..));
                disk.Close();
            }
            using ImageDisk closed = Open(files.Reopened(), variant, writable: false);
            RequireEqual(ReadAll(closed), model, variant.ToString());
            RequireSound(closed, variant.ToString(), leaks: true);
        }
    }

    /// <summary>The daemon makes files longer ahead of the places that it gives out. One was killed; the next one closes the image.</summary>
    [Test]
    public void WhatAKilledProcessAddedToTheEndIsCutOff()
    {
        if (!CutsTail)
        {
            Assert.Ignore("the format never makes a file shorter");
        }
        // A data file belongs to others, too: it stays as long as it is.
        foreach (ImageVariant variant in Variants.Where(v => !v.Settings.Contains("data_file", StringComparison.Ordinal)))
        {
            MemoryFiles closed = new();
            MemoryFiles killed = new();
            byte[] model = FirstContent(variant);
            using (ImageDisk disk = NewDisk(closed, variant))
            {
                Apply(disk, Draw(new Random(4), variant, ChunkBytes(disk), 10), model);
                disk.Close();
            }
            using (ImageDisk disk = NewDisk(killed, variant))
            {
                Apply(disk, Draw(new Random(4), variant, ChunkBytes(disk), 10), FirstContent(variant));
                disk.Flush();
                IImageFile grown = FileOf(disk, disk.Chain.Allocate(new ChunkRun(Chunks(disk) - 1, 1)).Placed.Place.Device);
                grown.SetLength(grown.Length + (8 << 20));
            }
            killed = killed.Reopened();
            using (ImageDisk disk = Open(killed, variant))
            {
                disk.Close();
            }
            // As the daemon does behind a takeover.
            (ImageRegistry.Find(Driver.Name) as IRepairingDriver)?.Repair(killed.Reopened().Source(Image));
            foreach ((string name, IImageFile file) in closed.All)
            {
                // Its last unit may be there to the end: 2 MiB at most, far less than what was added.
                Assert.That(killed.Bytes(name), Has.Length.LessThanOrEqualTo(file.Length + (2 << 20)), $"{variant}, {name}");
            }
            RequireUntouched(killed, variant, model, variant.ToString());
        }
    }

    /// <summary>A file may end before what it names does. The kernel maps what it is told of, and a device has nothing behind its end: so every place is there, or
    /// nobody is told of it. What is written there then is kept.</summary>
    [Test]
    public void EveryPlaceThatIsToldIsInItsFile([Values] bool writable)
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles whole = new();
            using (ImageDisk disk = NewDisk(whole, variant))
            {
                Apply(disk, Draw(new Random(9), variant, ChunkBytes(disk), 20), FirstContent(variant));
                disk.Close();
            }
            foreach (string name in whole.All.Select(static file => file.Key).Where(static name => name != Base))
            {
                foreach (int sectors in (int[])[1, 2, 9, 100, 1000])
                {
                    MemoryFiles cut = whole.Copied();
                    IImageFile file = cut.All.Single(f => f.Key == name).Value;
                    file.SetLength(Math.Max(0, file.Length - (sectors * 512)));
                    RequirePlacesThere(cut.Reopened(), variant, writable, $"{variant}, {name} without its last {sectors} sectors");
                }
            }
        }
    }

    private void RequirePlacesThere(MemoryFiles files, ImageVariant variant, bool writable, string what)
    {
        try
        {
            ulong last = 0;
            byte[] model;
            using (ImageDisk disk = Open(files, variant, writable))
            {
                long end = 0;
                for (ulong chunk = 0; chunk < Chunks(disk);)
                {
                    chunk = RequirePlaceThere(disk, chunk, ref end, ref last, what);
                }
                if (!writable || end == 0)
                {
                    return;
                }
                model = ReadAll(disk);
                model.AsSpan((int)last, 512).Fill(0x77);
                disk.Write(last, model.AsSpan((int)last, 512));
                disk.Close();
            }
            RequireUntouched(files, variant, model, what);
        }
        catch (ImageFormatException)
        {
            // It is refused, or some of what was cut off would be read.
        }
    }

    /// <param name="disk">The disk.</param>
    /// <param name="chunk">The chunk to ask about.</param>
    /// <param name="end">Where the last place ends that was met.</param>
    /// <param name="last">Byte offset on the disk of the last sector there.</param>
    /// <param name="what">For messages.</param>
    /// <returns>The next one.</returns>
    private static ulong RequirePlaceThere(ImageDisk disk, ulong chunk, ref long end, ref ulong last, string what)
    {
        Extent extent;
        try
        {
            extent = disk.Chain.Lookup(chunk, Chunks(disk) - chunk);
        }
        catch (ImageFormatException)
        {
            return chunk + 1;
        }
        if (extent.Kind == ExtentKind.Overlay)
        {
            ulong bytes = Math.Min(extent.Run.Count * ChunkBytes(disk), disk.Length - (chunk * ChunkBytes(disk)));
            long behind = ((long)extent.Place.Sector * 512) + (long)bytes;
            Assert.That(behind, Is.LessThanOrEqualTo(FileOf(disk, extent.Place.Device).Length / 512 * 512), $"{what}: chunks from {chunk} on");
            last = behind > end ? (chunk * ChunkBytes(disk)) + bytes - 512 : last;
            end = Math.Max(end, behind);
        }
        return extent.Run.End;
    }

    [Test]
    public void AReadOnlyImageIsNotWritten()
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles files = new();
            byte[] model = FirstContent(variant);
            using (ImageDisk disk = NewDisk(files, variant))
            {
                // Not closed: also what a crash left is left alone.
                Apply(disk, Draw(new Random(3), variant, ChunkBytes(disk), 20), model);
                disk.Flush();
            }
            MemoryFiles copy = files.Copied();
            int[] before = [.. copy.All.Select(f => ((MemoryImageFile)f.Value).Changes)];
            using ImageDisk read = Open(copy, variant, writable: false);
            RequireEqual(ReadAll(read), model, variant.ToString());
            read.Chain.Check();
            Assert.That(() => read.Chain.Allocate(new ChunkRun(0, 1)), Throws.InvalidOperationException);
            Assert.That(copy.All.Select(f => ((MemoryImageFile)f.Value).Changes), Is.EqualTo(before), variant.ToString());
        }
    }

    [Test]
    public void LookingUpAndReservingLeaveNoGarbage() => WithEach((disk, files) =>
    {
        ulong chunks = Math.Min(Chunks(disk), 200);
        ulong start = Math.Max(1, chunks / 4);
        disk.Write(0, new byte[Math.Min(start * ChunkBytes(disk), disk.Length)]);
        disk.Flush();
        Assert.That(Garbage.Of(() => LookUpAll(disk.Chain, chunks)), Is.Zero, "lookup");

        // Tables of what is reserved grow now and then: amortised it is nothing to speak of.
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong chunk = start; chunk < chunks; chunk++)
        {
            disk.Chain.Allocate(new ChunkRun(chunk, 1));
        }
        long allowed = 8192 + (200 * (long)(chunks - Math.Min(chunks, start)));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThanOrEqualTo(allowed), "reserve");
    });

    [Test]
    public void TheDriverKnowsItsOwn() => WithEach((disk, files) =>
    {
        disk.Close();
        Assert.That(Driver.Probe(files.Source(Image).File), Is.True);
        Assert.That(Driver.Probe(new MemoryImageFile()), Is.False);
        Assert.That(Driver.Probe(new MemoryImageFile(new byte[3])), Is.False);
        Assert.That(Driver.Probe(new MemoryImageFile(new byte[100_000])), Is.False);
    });

    [Test]
    public void AnUnknownSettingIsRefused()
    {
        MemoryFiles files = new();
        ImageCreateOptions options = new(1 << 20, null, new Dictionary<string, string> { ["no_such_setting"] = "1" });
        Assert.That(() => Driver.Create(files.New(Image), options), Throws.ArgumentException.With.Message.Contains("no_such_setting"));
    }

    /// <summary>Whether the space at the end of a file that nothing names is given back by Close, or by the repair behind it.</summary>
    protected virtual bool CutsTail => true;

    /// <summary>Whether a chunk can only be at one place (flat extents, raw data files): then abandoning finds no other one.</summary>
    protected virtual bool FixedPlaces => false;

    private static void WriteUncommitted(ImageDisk disk, List<PlacedRun> given, byte[] model)
    {
        int chunkBytes = (int)ChunkBytes(disk);
        for (ulong chunk = 0; chunk < Math.Min(Chunks(disk), 40); chunk += 1 + (chunk % 3))
        {
            Allocation answer = disk.Chain.Allocate(new ChunkRun(chunk, 1));
            int length = (int)Math.Min((ulong)chunkBytes, disk.Length - (chunk * (ulong)chunkBytes));
            Span<byte> content = model.AsSpan((int)chunk * chunkBytes, length);
            content[..512].Fill(0x5a);
            FileOf(disk, answer.Placed.Place.Device).WriteAt(content, (long)answer.Placed.Place.Sector * 512);
            given.Add(answer.Placed);
        }
    }

    private static void SpoilPlace(ImageDisk disk, ulong chunk)
    {
        Place place = disk.Chain.Allocate(new ChunkRun(chunk, 1)).Placed.Place;
        byte[] spoilt = new byte[ChunkBytes(disk)];
        spoilt.AsSpan().Fill(0x5a);
        FileOf(disk, place.Device).WriteAt(spoilt, (long)place.Sector * 512);
    }

    /// <summary>Writes every chunk of the disk to its place, uncommitted, and joins what adjoins.</summary>
    private static void WriteAll(ImageDisk disk, List<PlacedRun> joined, byte[] model)
    {
        new Random(5).NextBytes(model);
        ulong chunkBytes = ChunkBytes(disk);
        for (ulong chunk = 0; chunk < Chunks(disk);)
        {
            PlacedRun placed = disk.Chain.Allocate(new ChunkRun(chunk, Math.Min(7, Chunks(disk) - chunk))).Placed;
            int start = (int)(chunk * chunkBytes);
            int length = (int)Math.Min((ulong)(model.Length - start), placed.Run.Count * chunkBytes);
            FileOf(disk, placed.Place.Device).WriteAt(model.AsSpan(start, length), (long)placed.Place.Sector * 512);
            bool adjoins = joined is [.., PlacedRun last] && last.Place.Device == placed.Place.Device
                && last.Place.Sector + (last.Run.Count * chunkBytes / 512) == placed.Place.Sector;
            if (adjoins)
            {
                joined[^1] = joined[^1] with { Run = joined[^1].Run with { Count = joined[^1].Run.Count + placed.Run.Count } };
            }
            else
            {
                joined.Add(placed);
            }
            chunk = placed.Run.End;
        }
    }

    /// <summary>First writes, in any order, until half of the disk has its places; each commit has but what was told by then.</summary>
    private static void WriteWhatIsKept(ImageDisk disk, FullFiles full, Random random, string what)
    {
        full.Fill(holes: true);
        for (int file = 0; file < disk.Chain.Images[0].Info.Files.Count; file++)
        {
            foreach (ByteRange range in disk.Chain.MetadataIn(disk.Chain.Images[0].Info.Files[file]))
            {
                FullFiles.Keep(FileOf(disk, file), range);
            }
        }
        ulong[] chunks = [.. Enumerable.Range(0, (int)Math.Min(Chunks(disk), 2000)).Select(static i => (ulong)i)];
        random.Shuffle(chunks);
        List<PlacedRun> kept = [];
        foreach (ulong chunk in chunks.Take((chunks.Length + 1) / 2))
        {
            Allocation answer = disk.Chain.Allocate(new ChunkRun(chunk, 1));
            if (answer.Fill != Fill.None)
            {
                kept.Add(Keep(disk, answer));
            }
            if (kept.Count > random.Next(40))
            {
                Commit(disk, kept);
            }
        }
        Commit(disk, kept);
        RequireSound(disk, what, leaks: true);
        full.Free();
        disk.Close();
    }

    private static void Commit(ImageDisk disk, List<PlacedRun> kept)
    {
        disk.Chain.Commit([.. kept]);
        disk.Chain.Flush();
        kept.Clear();
    }

    /// <summary>Gives blocks to all that an answer tells, and data to the place.</summary>
    private static PlacedRun Keep(ImageDisk disk, Allocation answer)
    {
        ByteRange place = new((long)answer.Placed.Place.Sector * 512, (long)(answer.Placed.Run.Count * ChunkBytes(disk)));
        FullFiles.Keep(FileOf(disk, answer.Placed.Place.Device), place);
        FullFiles.Keep(FileOf(disk, 0), answer.Metadata);
        FileOf(disk, answer.Placed.Place.Device).WriteAt(new byte[ChunkBytes(disk)], (long)answer.Placed.Place.Sector * 512);
        return answer.Placed;
    }

    private static IImageFile FileOf(ImageDisk disk, int device) => ((CachedFile)disk.Chain.Images[0].Info.Files[device]).Uncached;

    private void WithEach(Action<ImageDisk, MemoryFiles> test)
    {
        foreach (ImageVariant variant in Variants)
        {
            TestContext.Out.WriteLine(variant);
            MemoryFiles files = new();
            using ImageDisk disk = NewDisk(files, variant);
            test(disk, files);
        }
    }

    private static void LookUpAll(ImageChain chain, ulong chunks)
    {
        for (ulong chunk = 0; chunk < chunks; chunk++)
        {
            chain.Lookup(chunk, 1);
            chain.Lookup(chunk, chunks - chunk);
        }
    }
}
