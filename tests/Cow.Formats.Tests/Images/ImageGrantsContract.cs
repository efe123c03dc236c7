// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>What holds for a format of disk images that reserves places ahead. Its fixture inherits it, with variants that do. Random histories of such
/// images: <see cref="PoolTakingDriver"/>.</summary>
internal abstract class ImageGrantsContract : ImageFixture
{
    [Test]
    public void APooledPlaceIsGivenToNoChunkAndOnlyOnce() => WithEach((disk, files) =>
    {
        PlaceGrant grant = Pool(disk, 4);
        for (ulong chunk = 0; chunk < Chunks(disk); chunk++)
        {
            Allocation answer = disk.Chain.Allocate(new ChunkRun(chunk, 1));
            Assert.That(answer.NoSpace || !IsInside(disk, grant, answer.Placed.Place), Is.True);
        }
        PlaceGrant other = disk.Chain.Reserve(4);
        Assert.That(other.Count == 0 || !IsInside(disk, grant, other.Place), Is.True);
        RequireSound(disk, "reserved");
    });

    [Test]
    public void APooledPlaceThatWasTakenIsCommittedAsAnyOther() => WithEach((disk, files) =>
    {
        PlaceGrant grant = Pool(disk, 4);
        Assert.That(grant.IsPool, Is.True);
        PlacedRun taken = new(new ChunkRun(1, Math.Min(2, grant.Count)), grant.Place);
        Assert.That(disk.Chain.Take([taken]), Is.EqualTo(taken.Run.Count));
        Assert.That(disk.Chain.Take([taken]), Is.Zero, "it is no news");
        Assert.That(disk.Chain.Allocate(taken.Run).Placed.Place, Is.EqualTo(taken.Place), "it has a place");
        Assert.That(disk.Chain.Images[0].Lookup(ChunkBytes(disk), 512).Kind, Is.Not.EqualTo(ImageExtentKind.Data), "it is not there yet");
        disk.Chain.Commit([taken]);
        disk.Chain.Flush();
        Assert.That(disk.Chain.Lookup(1, taken.Run.Count), Is.EqualTo(new Extent(taken.Run, ExtentKind.Overlay, taken.Place)));
        Assert.That(disk.Chain.Take([taken]), Is.Zero, "it is no news either");
        RequireSound(disk, "committed");
    });

    /// <summary>Neighbours on the disk that are none in the file, as copies end in any order.</summary>
    [Test]
    public void PlacesThatAreToldAtOnceAreTakenEachForItsChunk() => WithEach((disk, files) =>
    {
        PlaceGrant grant = Pool(disk, 4);
        ulong count = Math.Min(grant.Count, Chunks(disk));
        PlacedRun[] runs = [.. Enumerable.Range(0, (int)count).Select(i => new PlacedRun(new ChunkRun((ulong)i, 1), PlaceOf(disk, grant, count - 1 - (ulong)i)))];
        Assert.That(disk.Chain.Take(runs), Is.EqualTo(runs.Length));
        disk.Chain.Commit(runs);
        disk.Chain.Flush();
        Assert.That(runs.Select(run => disk.Chain.Lookup(run.Run.Chunk, 1)), Is.EqualTo(runs.Select(run => new Extent(run.Run, ExtentKind.Overlay, run.Place))));
        RequireSound(disk, "committed");
    });

    [Test]
    public void WhatIsReleasedIsReservedAgain() => WithEach((disk, files) =>
    {
        PlaceGrant grant = Pool(disk, 4);
        Usage before = disk.Chain.Usage;
        disk.Chain.Release(grant);
        Assert.That(disk.Chain.Usage, Is.EqualTo(before));
        Assert.That(Pool(disk, 4), Is.EqualTo(grant), "also what its commit writes, which was perhaps not to be had");
    });

    /// <summary>The answer to a write met a table swap, and the write came again.</summary>
    [Test]
    public void APlaceThatWasGivenInVainIsFreeAgain() => WithEach((disk, files) =>
    {
        Place vain = disk.Chain.Allocate(new ChunkRun(0, 1)).Placed.Place;
        PlaceGrant grant = Pool(disk, 1);
        PlacedRun taken = new(new ChunkRun(0, 1), grant.Place);
        Assert.That(disk.Chain.Take([taken]), Is.EqualTo(1));
        Assert.That(disk.Chain.Allocate(new ChunkRun(0, 1)).Placed, Is.EqualTo(taken));
        Assert.That(disk.Chain.Allocate(new ChunkRun(1, 1)).Placed.Place, Is.EqualTo(vain));
        RequireSound(disk, "taken");
    });

    [Test]
    public void AnAbandonedPooledPlaceIsGivenToNobody() => WithEach((disk, files) =>
    {
        PlaceGrant grant = Pool(disk, 1);
        disk.Chain.Take([new PlacedRun(new ChunkRun(0, 1), grant.Place)]);
        disk.Chain.Abandon(new ChunkRun(0, 1));
        for (ulong chunk = 0; chunk < Chunks(disk); chunk++)
        {
            Assert.That(disk.Chain.Allocate(new ChunkRun(chunk, 1)).Placed.Place, Is.Not.EqualTo(grant.Place));
        }
    });

    [Test]
    public void APlaceThatNobodyReservedIsNotTaken() => WithEach((disk, files) =>
    {
        PlaceGrant grant = Pool(disk, 1);
        PlacedRun taken = new(new ChunkRun(1, 1), grant.Place);
        Assert.That(() => disk.Chain.Take([taken with { Place = new Place(0, 0) }]), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => disk.Chain.Take([taken with { Place = taken.Place with { Device = 99 } }]), Throws.InstanceOf<ImageFormatException>());
        disk.Chain.Take([taken]);
        Assert.That(() => disk.Chain.Take([taken with { Run = new ChunkRun(0, 1) }]), Throws.InstanceOf<ImageFormatException>(), "it is chunk 1's");
        disk.Chain.Commit([taken]);
        PlaceGrant other = Pool(disk, 1);
        Assert.That(() => disk.Chain.Take([taken with { Place = other.Place }]), Throws.InstanceOf<ImageFormatException>(), "chunk 1 has a place");
    });

    /// <summary>Whoever was killed had given the kernel a pool, of which some was taken; with and without a commit that counted all of it.</summary>
    [Test]
    public void APoolOfAFormerProcessIsAdopted([Values] bool committed)
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles files = new();
            PlacedRun taken;
            PlaceGrant rest;
            using (ImageDisk disk = NewDisk(files, variant))
            {
                PlaceGrant grant = Pool(disk, 4);
                taken = new(new ChunkRun(1, 1), grant.Place);
                rest = grant with { Count = grant.Count - 1, Place = grant.Place with { Sector = grant.Place.Sector + disk.Chain.Info.ChunkSectors } };
                if (committed)
                {
                    disk.Write(0, new byte[512]);
                    disk.Flush();
                }
            }
            using (ImageDisk disk = Open(files.Reopened(), variant))
            {
                disk.Chain.AdoptGrant(rest);
                disk.Chain.Adopt(taken);
                Assert.That(() => disk.Chain.AdoptGrant(rest), Throws.InstanceOf<ImageFormatException>(), "once is enough");
                Assert.That(() => disk.Chain.AdoptGrant(rest with { Place = rest.Place with { Device = 99 } }), Throws.InstanceOf<ImageFormatException>());
                Assert.That(() => disk.Chain.AdoptGrant(rest with { Place = default }), Throws.InstanceOf<ImageFormatException>(), "the header lies there");
                Assert.That(() => disk.Chain.AdoptGrant(rest with { Count = ulong.MaxValue }), Throws.InstanceOf<ImageFormatException>());
                Assert.That(() => disk.Chain.Adopt(new PlacedRun(new ChunkRun(2, 1), rest.Place)), Throws.InstanceOf<ImageFormatException>(), "any chunk may still take it");
                Assert.That(disk.Chain.Take([new PlacedRun(new ChunkRun(2, 1), rest.Place)]), Is.EqualTo(1));
                Fill(disk, taken.Place, 1);
                Fill(disk, rest.Place, 2);
                disk.Chain.Commit([taken, new PlacedRun(new ChunkRun(2, 1), rest.Place)]);
                Assert.That(disk.Chain.Lookup(1, 1).Place, Is.EqualTo(taken.Place));
                Assert.That(disk.Chain.Lookup(2, 1).Place, Is.EqualTo(rest.Place));
                disk.Close();
            }
            // Whatever Close may have moved.
            using ImageDisk closed = Open(files.Reopened(), variant, writable: false);
            RequireFilled(closed, 1);
            RequireFilled(closed, 2);
            RequireSound(closed, $"{variant}, adopted", leaks: committed);
        }
    }

    /// <summary>The space keeper allocates the pool and what was told as its metadata. That is enough, wherever on the disk it is taken.</summary>
    [Test]
    public void TheCommitOfAPoolWritesNothingThatWasNotTold() => WithEach((disk, files) =>
    {
        PlaceGrant grant = Pool(disk, Chunks(disk));
        long kept = files.Bytes(Image).Length;
        List<PlacedRun> taken = [];
        for (ulong i = 0; i < grant.Count; i++)
        {
            ulong chunk = (i + 1) * (Chunks(disk) - 1) / grant.Count;
            taken.Add(new PlacedRun(new ChunkRun(chunk, 1), grant.Place with { Sector = grant.Place.Sector + (i * disk.Chain.Info.ChunkSectors) }));
            Assert.That(disk.Chain.Take([taken[^1]]), Is.EqualTo(1));
        }
        disk.Chain.Commit([.. taken]);
        disk.Chain.Flush();
        Assert.That(files.Bytes(Image), Has.Length.EqualTo(kept));
        RequireSound(disk, "committed");
    });

    [Test]
    public void ClosingCutsOffWhatNobodyTook() => WithEach((disk, files) =>
    {
        long before = files.Bytes(Image).Length;
        Pool(disk, 4);
        Assert.That(files.Bytes(Image), Has.Length.GreaterThan(before));
        disk.Close();
        Assert.That(files.Bytes(Image), Has.Length.LessThanOrEqualTo(before));
    });

    /// <summary>Places that nobody took, with what was written later behind them.</summary>
    [Test]
    public void ClosingLosesNoSpaceInTheMiddle()
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles files = new();
            byte[] model = FirstContent(variant);
            using (ImageDisk disk = NewDisk(files, variant))
            {
                Pool(disk, 4);
                foreach (int sector in (int[])[0, model.Length / 1024, (model.Length / 512) - 1])
                {
                    Span<byte> data = model.AsSpan(sector * 512, 512);
                    Stamp.Of((ulong)sector, 9).CopyTo(data);
                    disk.Write((ulong)sector * 512, data);
                }
                disk.Chain.Reserve(4);
                disk.Close();
            }
            using ImageDisk closed = Open(files.Reopened(), variant, writable: false);
            RequireEqual(ReadAll(closed), model, variant.ToString());
            RequireSound(closed, $"{variant}, closed");
        }
    }

    [Test]
    public void NoMorePlacesAreReservedThanTheDiskHasChunks()
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles files = new();
            using (ImageDisk disk = NewDisk(files, variant))
            {
                ulong reserved = 0;
                while (disk.Chain.Reserve(7) is { Count: > 0 } grant)
                {
                    reserved += grant.Count;
                }
                Assert.That(reserved, Is.EqualTo(Chunks(disk)));
                disk.Chain.Close();
            }
            using ImageDisk closed = Open(files.Reopened(), variant, writable: false);
            RequireSound(closed, $"{variant}, reserved and closed");
        }
    }

    /// <summary>Reserves places, and makes room for them and their metadata as the daemon does.</summary>
    private static Place PlaceOf(ImageDisk disk, PlaceGrant grant, ulong index) =>
        grant.Place with { Sector = grant.Place.Sector + (index * disk.Chain.Info.ChunkSectors) };

    private static PlaceGrant Pool(ImageDisk disk, ulong count)
    {
        PlaceGrant grant = disk.Chain.Reserve(count);
        Assert.That(grant.Count, Is.InRange(1UL, count));
        long end = ((long)grant.Place.Sector * 512) + ((long)grant.Count * (long)ChunkBytes(disk));
        IImageFile file = ((CachedFile)disk.Chain.Images[0].Info.Files[0]).Uncached;
        file.SetLength(Math.Max(file.Length, Math.Max(end, grant.Metadata.Offset + grant.Metadata.Length)));
        return grant;
    }

    private static void Fill(ImageDisk disk, Place place, byte value)
    {
        byte[] data = new byte[ChunkBytes(disk)];
        data.AsSpan().Fill(value);
        ((CachedFile)disk.Chain.Images[0].Info.Files[0]).Uncached.WriteAt(data, (long)place.Sector * 512);
    }

    private static void RequireFilled(ImageDisk disk, byte value)
    {
        byte[] data = new byte[Math.Min(ChunkBytes(disk), disk.Length - (value * ChunkBytes(disk)))];
        disk.Read(value * ChunkBytes(disk), data);
        Assert.That(data.AsSpan().ContainsAnyExcept(value), Is.False, $"chunk {value}");
    }

    private static bool IsInside(ImageDisk disk, PlaceGrant grant, Place place) =>
        place.Device == grant.Place.Device && place.Sector >= grant.Place.Sector
        && place.Sector - grant.Place.Sector < grant.Count * disk.Chain.Info.ChunkSectors;

    private void WithEach(Action<ImageDisk, MemoryFiles> test)
    {
        foreach (ImageVariant variant in Variants)
        {
            MemoryFiles files = new();
            using ImageDisk disk = NewDisk(files, variant);
            TestContext.Out.WriteLine(variant);
            test(disk, files);
        }
    }
}
