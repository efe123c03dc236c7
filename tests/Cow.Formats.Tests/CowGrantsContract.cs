// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

/// <summary>What holds for a format that reserves places ahead. Its fixture inherits it.</summary>
internal abstract class CowGrantsContract : CowFixture
{
    [Test]
    public void AReservedPlaceIsGivenToNobodyElse()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        PlaceGrant grant = Reserve(disk, 5);
        for (ulong chunk = 0; chunk < Format.Chunks && grant.IsPool; chunk++)
        {
            Allocation answer = disk.Store.Allocate(new ChunkRun(chunk, 1));
            Assert.That(answer.NoSpace || !IsInside(grant, answer.Placed.Place), Is.True);
        }
        Assert.That(disk.Store.Check().Clean, Is.True);
    }

    [Test]
    public void APlaceThatWasTakenIsCommittedAsAnyOther()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        PlaceGrant grant = Reserve(disk, 5);
        PlacedRun taken = Taken(grant, 3, 2);
        var store = (IGrantingFormat)disk.Store;
        Assert.That(store.Take([taken]), Is.EqualTo(2));
        Assert.That(store.Take([taken]), Is.Zero, "it is no news");
        Assert.That(store.Usage.PlacedChunks, Is.EqualTo(2));
        store.Commit([taken]);
        store.Flush();
        Assert.That(store.Lookup(3, 9), Is.EqualTo(new Extent(taken.Run, ExtentKind.Overlay, taken.Place)));
        using ICowFormat again = Format.Driver.Open(Format.FilesOn(medium), new OpenOptions(Format.DiskBytes, null, ReadOnly: false));
        Assert.That(again.Lookup(3, 9), Is.EqualTo(new Extent(taken.Run, ExtentKind.Overlay, taken.Place)));
        Assert.That(again.Check().Clean, Is.True);
    }

    [Test]
    public void AChunkWhoseCopyFailedIsCommittedAtThePlaceThatItTookNext([Values] bool others)
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        PlaceGrant grant = Reserve(disk, 5);
        PlacedRun failed = Taken(grant, 3, 1);
        PlacedRun next = grant.IsPool ? failed with { Place = failed.Place with { Sector = failed.Place.Sector + Format.ChunkSectors } } : failed;
        var store = (IGrantingFormat)disk.Store;
        store.Take([failed]);
        store.Take([next]);
        if (others)
        {
            store.Commit([store.Allocate(new ChunkRun(4, 1)).Placed]);
        }
        store.Commit([next]);
        store.Flush();
        Assert.That(store.Lookup(3, 1), Is.EqualTo(new Extent(next.Run, ExtentKind.Overlay, next.Place)));
        Assert.That(store.Check().Clean, Is.True);
    }

    /// <summary>Copies end in any order, and one of the chunks was answered a place before.</summary>
    [Test]
    public void WhatIsToldAtOnceIsTakenAsIfOneByOne([Range(1, 20)] int seed)
    {
        Assert.That(TakeAndCommit(seed, atOnce: true), Is.EqualTo(TakeAndCommit(seed, atOnce: false)));
    }

    private (ulong Taken, Usage Usage, string Map) TakeAndCommit(int seed, bool atOnce)
    {
        var random = new Random(seed);
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        var store = (IGrantingFormat)disk.Store;
        PlaceGrant grant = Reserve(disk, 5);
        PlacedRun allocated = store.Allocate(new ChunkRun(2, 1)).Placed;
        PlacedRun[] runs = [.. Enumerable.Range(0, 5).Select(i => grant.IsPool ? PoolRun(grant, i, 4 - i) : Taken(grant, (ulong)i, 1))];
        random.Shuffle(runs);
        if (seed % 2 == 0)
        {
            runs[Array.FindIndex(runs, r => r.Run.Chunk == 2)] = allocated;
        }

        ulong taken = atOnce ? store.Take(runs) : runs.Aggregate(0UL, (sum, run) => sum + store.Take([run]));
        store.Commit(runs.AsSpan(0, 3));
        store.Commit(runs.AsSpan(3));
        store.Flush();
        Assert.That(store.Check().Clean, Is.True);
        return (taken, store.Usage, string.Join(' ', Enumerable.Range(0, 6).Select(chunk => store.Lookup((ulong)chunk, 1))));
    }

    private PlacedRun PoolRun(PlaceGrant pool, int place, int chunk) =>
        new(new ChunkRun((ulong)chunk, 1), pool.Place with { Sector = pool.Place.Sector + ((ulong)place * Format.ChunkSectors) });

    [Test]
    public void WhatIsReleasedIsReservedAgain()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        PlaceGrant grant = Reserve(disk, 5);
        Usage before = disk.Store.Usage;
        ((IGrantingFormat)disk.Store).Release(grant);
        Assert.That(disk.Store.Usage, Is.EqualTo(before));
        Assert.That(Reserve(disk, 5), Is.EqualTo(grant));
    }

    [Test]
    public void AGrantOfAFormerProcessIsAdopted()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        PlaceGrant grant = Reserve(disk, 5);
        disk.Store.Flush();
        using ICowFormat opened = Format.Driver.Open(Format.FilesOn(medium), new OpenOptions(Format.DiskBytes, null, ReadOnly: false));
        var store = (IGrantingFormat)opened;
        store.AdoptGrant(grant);
        Assert.That(store.Take([Taken(grant, 1, 1)]), Is.EqualTo(1));
        PlaceGrant other = store.Reserve(5);
        Assert.That(other.Count == 0 || !IsInside(grant, other.Place), Is.True);
        if (grant.IsPool)
        {
            Assert.That(() => store.AdoptGrant(grant), Throws.InstanceOf<ImageFormatException>());
        }
        Assert.That(() => store.AdoptGrant(grant with { Place = new Place(1, grant.Place.Sector) }), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => store.AdoptGrant(grant with { Count = ulong.MaxValue }), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void APlaceThatNobodyReservedIsNotTaken()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        PlaceGrant grant = Reserve(disk, 5);
        var store = (IGrantingFormat)disk.Store;
        PlacedRun taken = Taken(grant, 1, 1);
        Assert.That(() => store.Take([taken with { Place = new Place(0, 0) }]), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => store.Take([taken with { Place = new Place(1, taken.Place.Sector) }]), Throws.InstanceOf<ImageFormatException>());
        store.Take([taken]);
        Assert.That(() => store.Take([new PlacedRun(new ChunkRun(2, 1), taken.Place)]), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void AFullStoreReservesNoMoreThanItHas()
    {
        CowDisk disk = NewDisk(new MemoryFile(Format.MediumBytes));
        var store = (IGrantingFormat)disk.Store;
        ulong reserved = 0;
        while (store.Reserve(7) is { Count: > 0 } grant)
        {
            reserved += grant.Count;
        }
        Assert.That(reserved, Is.InRange(1, store.Usage.CapacityBytes / (Format.ChunkSectors * 512)));
        Assert.That(store.Check().Clean, Is.True);
    }

    private static bool IsInside(PlaceGrant grant, Place place, ulong chunkSectors) =>
        place.Device == grant.Place.Device && place.Sector >= grant.Place.Sector && place.Sector - grant.Place.Sector < grant.Count * chunkSectors;

    private static PlaceGrant Reserve(CowDisk disk, ulong count)
    {
        PlaceGrant grant = ((IGrantingFormat)disk.Store).Reserve(count);
        Assert.That(grant.Count, Is.Not.Zero);
        return grant;
    }

    private bool IsInside(PlaceGrant grant, Place place) => IsInside(grant, place, Format.ChunkSectors);

    /// <summary>What the kernel tells when chunks took the first places of a pool, or their own.</summary>
    private PlacedRun Taken(PlaceGrant grant, ulong chunk, ulong count) => new(
        new ChunkRun(chunk, count),
        grant.IsPool ? grant.Place : grant.Place with { Sector = grant.Place.Sector + ((chunk - grant.Chunk) * Format.ChunkSectors) });
}
