// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

/// <summary>What holds for every format. A format's fixture inherits it.</summary>
internal abstract partial class CowFormatContract : CowFixture
{
    [Test]
    public void WhatIsWrittenIsReadBack()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        Assert.That(disk.Write(3, 70), Is.True);
        RequireExact(disk);
        disk.Flush(new Random(1));
        RequireExact(disk);
        Assert.That(disk.Store.Check().Clean, Is.True);
    }

    [Test]
    public void TheOddEndOfTheDiskCanBeWritten()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        Assert.That(disk.Write(Format.DiskSectors - 1, 1), Is.True);
        disk.Flush(new Random(1));
        RequireExact(Reopened(disk, medium));
        Assert.That(() => disk.Store.Lookup(Format.Chunks, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void AllocateGivesTheSamePlaceAgain()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        Allocation first = disk.Store.Allocate(new ChunkRun(10, 4));
        Allocation again = disk.Store.Allocate(new ChunkRun(10, 4));
        Assert.That(again.Placed, Is.EqualTo(first.Placed));
        Allocation inside = disk.Store.Allocate(new ChunkRun(11, 1));
        Assert.That(inside.Placed.Place.Sector, Is.EqualTo(first.Placed.Place.Sector + Format.ChunkSectors));
        Assert.That(disk.Store.Usage.PlacedChunks, Is.EqualTo(4));
        disk.Store.Commit([first.Placed]);
        Assert.That(disk.Store.Allocate(new ChunkRun(10, 4)), Has.Property("Placed").EqualTo(first.Placed).And.Property("Fill").EqualTo(Fill.None));
        Assert.That(disk.Store.Usage.PlacedChunks, Is.EqualTo(4));
    }

    [Test]
    public void ASourceCoversJustTheChunksThatWerePlaced()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        for (ulong chunk = 0; chunk < Format.Chunks;)
        {
            Allocation answer = disk.Store.Allocate(new ChunkRun(chunk, Format.Chunks - chunk));
            Assert.That(answer.Source.Run, Is.EqualTo(answer.Placed.Run));
            Assert.That(answer.Source.Kind, Is.Not.EqualTo(ExtentKind.Overlay));
            chunk = answer.Placed.Run.End;
        }
    }

    [Test]
    public void WhatIsNotCommittedIsNotThereAfterReopen()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        disk.Write(0, 20);
        disk.Flush(new Random(1));
        ulong[] committed = [.. disk.Versions];
        disk.Write(Format.ChunkSectors * 100, 20);
        Assert.That(disk.Store.Lookup(100, 1).Kind, Is.Not.EqualTo(ExtentKind.Overlay));
        CowDisk after = Reopened(disk, medium);
        Assert.That(after.Versions, Is.EqualTo(committed));
    }

    [Test]
    public void AStoreIsEmptyUntilAChunkIsCommittedAndNotAnyMore()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        Assert.That(Reopened(disk, medium).Store.Usage.PlacedChunks, Is.Zero);
        disk.Write(Format.DiskSectors - 1, 1);
        disk.Flush(new Random(1));
        Assert.That(Reopened(disk, medium).Store.Usage.PlacedChunks, Is.EqualTo(1));
    }

    [Test]
    public void APlaceCanBeAdoptedAnyNumberOfTimes()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        disk.Write(5, 60);
        disk.Flush(new Random(1));
        PlacedRun committed = new(new ChunkRun(5 / Format.ChunkSectors, 1), disk.Store.Lookup(5 / Format.ChunkSectors, 1).Place);
        disk.Write(Format.ChunkSectors * 60, 50);
        disk.Open(adopt: true);
        disk.Store.Adopt(committed);
        Usage before = disk.Store.Usage;
        disk.Store.Adopt(committed);
        Assert.That(disk.Store.Usage, Is.EqualTo(before));
        RequireExact(disk);
        disk.Write(0, 100);
        disk.Flush(new Random(2));
        RequireExact(Reopened(disk, medium));
    }

    [Test]
    public void AnotherPlaceForAChunkIsRefused()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        PlacedRun first = disk.Store.Allocate(new ChunkRun(1, 1)).Placed;
        disk.Store.Commit([first]);
        Place elsewhere = first.Place with { Sector = first.Place.Sector + Format.ChunkSectors };
        Assert.That(() => disk.Store.Adopt(first with { Place = elsewhere }), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => disk.Store.Adopt(new PlacedRun(new ChunkRun(2, 1), first.Place)), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => disk.Store.Adopt(first with { Place = new Place(1, first.Place.Sector) }), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => disk.Store.Adopt(new PlacedRun(new ChunkRun(3, 1), new Place(0, 0))), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => disk.Store.Adopt(new PlacedRun(new ChunkRun(Format.Chunks, 1), elsewhere)), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => disk.Store.Adopt(new PlacedRun(new ChunkRun(3, ulong.MaxValue), elsewhere)), Throws.InstanceOf<ImageFormatException>());
        Assert.That(disk.Store.Check().Clean, Is.True);
    }

    [Test]
    public void AnAbandonedPlaceIsNotGivenAgain()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        PlacedRun bad = disk.Store.Allocate(new ChunkRun(7, 3)).Placed;
        disk.Store.Abandon(new ChunkRun(8, 1));
        Place lost = bad.Place with { Sector = bad.Place.Sector + Format.ChunkSectors };
        for (ulong chunk = 0; chunk < Format.Chunks; chunk++)
        {
            Allocation answer = disk.Store.Allocate(new ChunkRun(chunk, 1));
            Assert.That(answer.NoSpace || answer.Placed.Place != lost, Is.True);
            Assert.That(disk.Store.IsGivenUp(chunk), Is.EqualTo(answer.NoSpace), "the store is not full: nobody may wait for room");
        }
        Assert.That(disk.Store.Lookup(8, 1).Kind, Is.Not.EqualTo(ExtentKind.Overlay));
    }

    /// <summary>All of a sparse file may be holes. Whoever serves the store gives blocks to what it tells when it is opened, and with each place.</summary>
    [Test]
    public void ACommitWritesNothingThatWasNotTold()
    {
        MemoryFile medium = new(Format.MediumBytes);
        Format.Prepare(medium);
        FormatFiles there = Format.FilesOn(medium);
        using FullFile data = new(there.Store);
        using FullFile? metadata = there.Metadata is null ? null : new FullFile(there.Metadata);
        FormatFiles files = new(data, metadata, there.Layers);
        using (ICowFormat made = Format.Driver.Create(files, new CreateOptions(Format.DiskBytes, Format.ChunkSectors)))
        {
            WriteWhatIsKept(made, data, metadata, 0, Format.Chunks / 2);
        }
        using ICowFormat opened = Format.Driver.Open(files, new OpenOptions(Format.DiskBytes, Format.ChunkSectors, ReadOnly: false));
        WriteWhatIsKept(opened, data, metadata, Format.Chunks / 2, Format.Chunks);
        Assert.That(opened.Usage.PlacedChunks, Is.EqualTo(Format.Chunks));
    }

    private static void WriteWhatIsKept(ICowFormat store, FullFile data, FullFile? metadata, ulong first, ulong end)
    {
        foreach (FullFile file in new[] { data, metadata }.OfType<FullFile>())
        {
            file.Fill(holes: true);
            store.MetadataIn(file).ToList().ForEach(file.Keep);
        }
        for (ulong chunk = first; chunk < end;)
        {
            Allocation answer = store.Allocate(new ChunkRun(chunk, Math.Min(7, end - chunk)));
            data.Keep(answer.Metadata);
            store.Commit([answer.Placed]);
            store.Flush();
            chunk = answer.Placed.Run.End;
        }
        data.Free();
        metadata?.Free();
    }

    [Test]
    public void AReadOnlyStoreIsNotWritten()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        disk.Write(0, 30);
        disk.Flush(new Random(1));
        byte[] before = [.. medium.Bytes];
        using ICowFormat store = Format.Driver.Open(Format.FilesOn(medium), new OpenOptions(Format.DiskBytes, null, ReadOnly: true));
        Assert.That(() => store.Allocate(new ChunkRun(0, 1)), Throws.InvalidOperationException);
        Assert.That(() => store.Commit([]), Throws.InvalidOperationException);
        Assert.That(store.Lookup(0, 1).Kind, Is.EqualTo(ExtentKind.Overlay));
        Assert.That(store.Check().Clean, Is.True);
        Assert.That(medium.Bytes.AsSpan().SequenceEqual(before), Is.True);
    }

    [Test]
    public void AStoreOfAnotherChunkSizeIsRefused()
    {
        MemoryFile medium = new(Format.MediumBytes);
        NewDisk(medium);
        OpenOptions other = new(Format.DiskBytes, Format.ChunkSectors * 2, ReadOnly: false);
        Assert.That(() => Format.Driver.Open(Format.FilesOn(medium), other), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void TheDriverKnowsItsOwn()
    {
        MemoryFile medium = new(Format.MediumBytes);
        FormatFiles files = Format.FilesOn(medium);
        Assert.That(FormatRegistry.Probe(files.Metadata ?? files.Store), Is.Null);
        NewDisk(medium);
        Assert.That(FormatRegistry.Probe(files.Metadata ?? files.Store), Is.SameAs(Format.Driver));
    }

    [Test]
    public void AllocateLeavesNoGarbage()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        ulong chunk = 0;
        Assert.That(Garbage.Of(() =>
        {
            for (ulong end = chunk + 16; chunk < end; chunk++)
            {
                disk.Store.Allocate(new ChunkRun(chunk, 1));
                disk.Store.Lookup(chunk, 1);
            }
        }), Is.Zero);
    }

    /// <summary>The disk as a machine finds it that comes up again.</summary>
    protected CowDisk Reopened(CowDisk disk, Io.IImageFile medium)
    {
        CowDisk after = new(Format, medium);
        after.Open();
        for (ulong chunk = 0; chunk < Format.Chunks; chunk++)
        {
            Extent extent = after.Store.Lookup(chunk, 1);
            if (extent.Kind == ExtentKind.Overlay && !disk.EverPlaced.Contains((chunk, extent.Place)))
            {
                Assert.Fail($"chunk {chunk} was never at {extent.Place}");
            }
        }
        CheckReport report = after.Store.Check();
        Assert.That(report.Clean, Is.True, () => string.Join("; ", report.Errors.Concat(report.Leaks)));
        after.AcceptWhatIsThere();
        after.EverPlaced.UnionWith(disk.EverPlaced);
        RequireNothingLost(after.Versions, disk.Durable);
        return after;
    }

    protected static void RequireNothingLost(ulong[] versions, ulong[] durable)
    {
        int lost = Enumerable.Range(0, durable.Length).FirstOrDefault(s => versions[s] < durable[s], -1);
        Assert.That(lost, Is.EqualTo(-1), "a sector that was flushed and is lost");
    }

    protected void RequireExact(CowDisk disk) =>
        Assert.That(Enumerable.Range(0, (int)Format.DiskSectors).Select(s => Stamp.VersionOf(disk.Read((ulong)s), (ulong)s)), Is.EqualTo(disk.Versions));
}
