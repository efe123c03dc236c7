// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Codecs;
using Cow.Formats.Images.Qcow2;
using static Cow.Formats.Tests.Images.Giant;
using static Cow.Formats.Tests.Images.Qcow2.HoledQcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>Images of terabytes in files that are nearly all hole: what is read of them, and remembered, follows what is really there.</summary>
[TestFixture]
internal sealed class GiantQcow2Tests
{
    private const long Cluster = 65536;
    private const ulong InUse = Qcow2Layout.Copied;

    // Deflate: stored, not the last, of no bytes (RFC 1951, section 3.2.4).
    private static readonly byte[] EmptyBlock = [0, 0, 0, 0xff, 0xff];

    /// <summary>What the check says is what it says of tables full of zeros: that nothing counts them.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void L2TablesInHolesAreNotReadAndTakeLittleMemory(bool shuffled)
    {
        const int Tables = 1 << 17;
        ulong[] entries = [.. Enumerable.Range(0, Tables).Select(i => InUse | (ulong)((64 + (2L * i)) * Cluster))];
        if (shuffled)
        {
            new Random(1).Shuffle(entries);
        }
        using HoledFile file = Make(64 + (2 * Tables), (ulong)Tables << 29);
        file.WriteAt(Words(Tables, i => entries[i]), 3 * Cluster);
        IDiskImage image = Open(new Qcow2Driver(), file);
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckReport report = image.Check();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        // Of each table, and of each entry for one, and of the L1 table but for its first cluster.
        Assert.That(report.Errors[^1], Is.EqualTo($"and {(2 * Tables) + 15 - 200} more like these"));
        Assert.That(FirstExtent(image), Is.EqualTo(image.Info.VirtualBytes));
        // Of which the L1 table has one, and is read for the tables, for the flags, and here.
        Assert.That(file.BytesRead, Is.LessThan(6 << 20));
        Assert.That(allocated, Is.LessThan(100L * Tables));
    }

    /// <summary>Of a table of 2 MiB, too, only what is there.</summary>
    [TestCase(16)]
    [TestCase(21)]
    public void AnEntryAmongHolesIsFound(int clusterBits)
    {
        long cluster = 1L << clusterBits;
        using HoledFile file = Make(100, 50UL << ((2 * clusterBits) - 3), clusterBits);
        file.WriteAt(Words(50, i => InUse | (ulong)((20 + i) * cluster)), 3 * cluster);
        file.WriteAt(Words(1, _ => InUse | (ulong)(90 * cluster)), (57 * cluster) + (cluster / 2));
        IDiskImage image = Open(new Qcow2Driver(), file);
        Assert.That(image.Check().PlacedChunks, Is.EqualTo(1));
        ulong offset = (37UL << ((2 * clusterBits) - 3)) + ((ulong)(cluster / 16) << clusterBits);
        Assert.That(FirstExtent(image), Is.EqualTo(offset));
        Assert.That(image.Lookup(offset, 4096), Is.EqualTo(new ImageExtent(4096, ImageExtentKind.Data, 0, 90 * cluster)));
        Assert.That(file.BytesRead, Is.LessThan((1 << 20) + (2 * cluster)));
    }

    /// <summary>So a chain of many such images is opened as one is. All but one of the entries are in holes, too.</summary>
    [Test]
    public void AnL1TableAndARefcountTableInHolesAreNotKept()
    {
        const int Entries = 4 << 20;
        const int There = 3_000_000;
        using HoledFile file = Make(2048, (ulong)Entries << 29);
        file.WriteAt(Fields((0, 8, 1024 * Cluster), (8, 4, 128)), 48);
        file.WriteAt(Words(1, _ => InUse | (ulong)(2000 * Cluster)), (3 * Cluster) + (There * 8L));
        file.WriteAt(Words(1, _ => InUse | (ulong)(2010 * Cluster)), (2000 * Cluster) + (5 * 8));
        long before = GC.GetAllocatedBytesForCurrentThread();
        IDiskImage image = Open(new Qcow2Driver(), file);
        Assert.That(FirstExtent(image), Is.EqualTo(((ulong)There << 29) + (5 * Cluster)));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(file.BytesRead, Is.LessThan(1 << 20));
    }

    /// <summary>The fields of the second entry are there, and nothing else: it is of another length than those in the holes around it.</summary>
    [Test]
    public void SnapshotsInHolesAreNotRead()
    {
        const int Count = 65536;
        const long Table = 64 * Cluster;
        const int Extra = 1024;
        using HoledFile file = Make(200, 1 << 20);
        file.WriteAt(Fields((0, 4, Count), (4, 8, Table)), 60);
        file.WriteAt(Fields((36, 4, Extra)), Table + 40);
        IDiskImage image = Open(new Qcow2Driver(), file);
        Assert.That(file.BytesRead, Is.LessThan(64 << 10));
        Assert.That(image.Info.Snapshots, Has.Count.EqualTo(Count));
        Assert.That(file.BytesRead, Is.LessThan(128 << 10));
        file.SetLength(Table + Extra + (40 * Count) - 8);
        Assert.That(() => Open(new Qcow2Driver(), file), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>Two tables of 2 MiB, named in turn: one of zeros, and one of data that adjoins.</summary>
    [Test]
    public void TablesThatHoldOneThingAreReadOnceHoweverManyEntriesNameThem()
    {
        const int Tables = 64;
        const int Bits = 21;
        const int Shift = (2 * Bits) - 3;
        const long Large = 1L << Bits;
        using HoledFile file = Make(1L << 19, (ulong)Tables << Shift, Bits);
        file.WriteAt(Words(Tables, i => InUse | (ulong)((10 + (i % 2)) * Large)), 3 * Large);
        file.WriteAt(Words(1 << (Bits - 3), _ => 1), 10 * Large);
        file.WriteAt(Words(1 << (Bits - 3), i => InUse | (ulong)((100 + i) * Large)), 11 * Large);
        IDiskImage image = Open(new Qcow2Driver(), file);
        for (ulong slot = 0; slot < Tables; slot++)
        {
            ImageExtent expected = slot % 2 == 0 ? new(1UL << Shift, ImageExtentKind.Zero) : new(1UL << Shift, ImageExtentKind.Data, 0, 100 * Large);
            Assert.That(image.Lookup(slot << Shift, ulong.MaxValue), Is.EqualTo(expected));
        }
        const ulong Within = (7UL << Bits) + 4096;
        ImageExtent rest = new((1UL << Shift) - Within, ImageExtentKind.Data, 0, (100 * Large) + (long)Within);
        Assert.That(image.Lookup((5UL << Shift) + Within, ulong.MaxValue), Is.EqualTo(rest));
        Assert.That(file.BytesRead, Is.LessThan(3 * Large));
    }

    /// <summary>Clusters that are far apart share nothing in memory; nor does the order in which the disk has them matter.</summary>
    [Test]
    public void ScatteredClustersTakeLittleMemory([Values] bool shuffled)
    {
        const int Clusters = 1 << 16;
        const long Stride = 1 << 23;
        ulong[] entries = [.. Enumerable.Range(1, Clusters).Select(i => InUse | (ulong)(i * Stride))];
        if (shuffled)
        {
            new Random(1).Shuffle(entries);
        }
        using HoledFile file = Make(Stride / Cluster * (Clusters + 1), Clusters * (ulong)Cluster);
        file.WriteAt(Words(8, i => InUse | (ulong)((4 + i) * Cluster)), 3 * Cluster);
        file.WriteAt(Words(Clusters, i => entries[i]), 4 * Cluster);
        IDiskImage image = Open(new Qcow2Driver(), file);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(image.Check().PlacedChunks, Is.EqualTo(Clusters));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100L * Clusters));
    }

    /// <summary>A block for 2 GiB, and so for four of the clusters; every other block is data, with holes between.</summary>
    [Test]
    public void RefcountsInHolesAreNotReadForClustersThatAreStrewn()
    {
        const int Clusters = 1 << 13;
        const int Blocks = (Clusters / 4) + 1;
        const long Stride = 1L << 29;
        ulong[] entries = [.. Enumerable.Range(1, Clusters).Select(i => InUse | (ulong)(i * Stride))];
        new Random(1).Shuffle(entries);
        using HoledFile file = Make(Stride / Cluster * (Clusters + 1), Clusters * (ulong)Cluster);
        file.WriteAt(Words(1, _ => InUse | (ulong)(4 * Cluster)), 3 * Cluster);
        file.WriteAt(Words(Clusters, i => entries[i]), 4 * Cluster);
        file.WriteAt(Words(Blocks, i => (ulong)((i == 0 ? 2 : 16 + i) * Cluster)), Cluster);
        for (int i = 1; i < Blocks; i += 2)
        {
            file.WriteAt([1], ((16 + i) * Cluster) + Cluster - 1);
        }
        CheckReport report = Open(new Qcow2Driver(), file).Check();
        // Neither the clusters are counted nor the blocks, nor the L2 table; and COPIED is set all the same.
        Assert.That(report.PlacedChunks, Is.EqualTo(Clusters));
        Assert.That(report.Errors[^1], Is.EqualTo($"and {(2 * (Clusters + 1)) + Blocks - 1 - 200} more like these"));
        Assert.That(file.BytesRead, Is.LessThan(Blocks * Cluster));
        Assert.That(file.Asked, Is.LessThan(4 * Blocks));
    }

    /// <summary>Nor are the flags right.</summary>
    [Test]
    public void RepairCountsWhatABlockInAHoleDoesNot()
    {
        using HoledFile file = Make(40_001, 1 << 20);
        file.WriteAt(Words(1, _ => InUse | (ulong)(4 * Cluster)), 3 * Cluster);
        file.WriteAt(Words(1, _ => InUse | (ulong)(40_000 * Cluster)), 4 * Cluster);
        file.WriteAt(Words(1, _ => (ulong)(5 * Cluster)), Cluster + 8);
        CheckReport repaired = new Qcow2Driver().Repair(new MemoryFiles(_ => file).New("image"));
        Assert.That((repaired.Errors, repaired.PlacedChunks), Is.EqualTo((Array.Empty<string>(), 1UL)));
        Assert.That(Open(new Qcow2Driver(), file).Check().Clean, Is.True);
    }

    /// <summary>The counts behind an end of petabytes would need a table that is too long, and nobody makes a list of its blocks before that is found; or
    /// one where no pointer leads to.</summary>
    [TestCase(41, 9, 6)]
    [TestCase(36, 21, 0)]
    public void RepairMakesNoTableThatCannotBe(int lengthBits, int clusterBits, byte order)
    {
        using HoledFile file = Make(1L << lengthBits, 1 << 15, clusterBits);
        file.WriteAt([order], 99);
        file.WriteAt(Words(1, _ => 0), 1L << clusterBits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(
            () => new Qcow2Driver().Repair(new MemoryFiles(_ => file).New("image")), Throws.InstanceOf<ImageFormatException>().With.Property("Expected").Contains("new refcounts"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(32 << 20));
    }

    /// <summary>What a killed writer added at the end is cut off without a look at each cluster.</summary>
    [Test, CancelAfter(60_000)]
    public void RepairCutsOffAnEndOfExabytes()
    {
        using HoledFile file = Make(1L << 46, 1 << 20);
        file.WriteAt([1], 79);
        new Qcow2Driver().Repair(new MemoryFiles(_ => file).New("image"));
        Assert.That(file.Length, Is.EqualTo(4 * Cluster));
    }

    /// <summary>The end is sought in refcount blocks that are holes.</summary>
    [Test]
    public void RepairReadsNoRefcountBlocksInHoles()
    {
        const int Blocks = 8191;
        using HoledFile file = Make(Blocks * 32768L, 1 << 20);
        file.WriteAt([1], 79);
        file.WriteAt(Words(Blocks, i => (ulong)((16 + (2L * i)) * Cluster)), Cluster + 8);
        new Qcow2Driver().Repair(new MemoryFiles(_ => file).New("image"));
        Assert.That(file.BytesRead, Is.LessThan(4 << 20));
    }

    [Test]
    public void RefcountBlocksInHolesAreNotReadAndALeakAmongThemIsFound()
    {
        const int Blocks = 8192;
        using HoledFile file = Make(16 + (2 * Blocks), 1 << 20);
        file.WriteAt(Words(Blocks - 1, i => (ulong)((16 + (2L * i)) * Cluster)), Cluster + 8);
        file.WriteAt([0, 1], ((16 + (2 * 5000L)) * Cluster) + 600);
        CheckReport report = Open(new Qcow2Driver(), file).Check();
        Assert.That(report.Leaks, Is.EqualTo(new[] { $"cluster {(5001 * 32768) + 300} has refcount 1, and 0 references" }));
        Assert.That(file.BytesRead, Is.LessThan(2 << 20));
    }

    /// <summary>A thousand snapshots, each with an L1 table of 32 MiB: in a hole of its own, or all in the same one.</summary>
    [TestCase(512)]
    [TestCase(0)]
    public void L1TablesOfSnapshotsInHolesAreNotRead(int clustersApart)
    {
        const int Snapshots = 1000;
        const int Entries = 4 << 20;
        using HoledFile file = Make(100 + (512L * Snapshots), 1 << 20);
        file.WriteAt(Fields((0, 4, Snapshots), (4, 8, 8 * Cluster)), 60);
        for (int i = 0; i < Snapshots; i++)
        {
            byte[] entry = Fields((0, 8, (100 + ((long)i * clustersApart)) * Cluster), (8, 4, Entries), (12, 2, 1), (14, 2, 1), (36, 4, 16), (48, 8, 1 << 20), (56, 2, 0x3161));
            file.WriteAt(entry, (8 * Cluster) + (i * 64));
        }
        CheckReport report = Open(new Qcow2Driver(), file).Check();
        Assert.That(report.Errors.Any(e => e.Contains("a place of its own", StringComparison.Ordinal)), Is.EqualTo(clustersApart == 0));
        Assert.That(file.BytesRead, Is.LessThan(2 << 20));
    }

    [TestCase(1024)]
    [TestCase(0)]
    public void BitmapTablesInHolesAreNotRead(int clustersApart)
    {
        const int Bitmaps = 1000;
        using HoledFile file = Make(100 + (1024L * Bitmaps), 1 << 20);
        file.WriteAt([1], 95);
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, Bitmaps), (16, 8, 32 * Bitmaps), (24, 8, 8 * Cluster)), 104);
        for (int i = 0; i < Bitmaps; i++)
        {
            file.WriteAt(Fields((0, 8, (100 + ((long)i * clustersApart)) * Cluster), (8, 4, 8 << 20), (18, 2, 4), (24, 8, i)), (8 * Cluster) + (i * 32));
        }
        CheckReport report = Open(new Qcow2Driver(), file).Check();
        Assert.That(report.Errors.Any(e => e.Contains("a place of its own", StringComparison.Ordinal)), Is.EqualTo(clustersApart == 0));
        Assert.That(file.BytesRead, Is.LessThan(2 << 20));
    }

    /// <summary>A thousand tables of 8 MiB in clusters of 512 bytes, none of them counted but the first cluster of the last: it becomes free.</summary>
    [Test, CancelAfter(60_000)]
    public void BitmapTablesInHolesAreDroppedAtOnce()
    {
        const int Bitmaps = 1000;
        const long Small = 512;
        const long DirectoryAt = 16 * Small;
        const long TablesAt = 256 * Small;
        const long TableBytes = 8 << 20;
        using HoledFile file = Make((TablesAt + (Bitmaps * TableBytes)) / Small, 1 << 20, 9);
        file.WriteAt([1], 95);
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, Bitmaps), (16, 8, 32 * Bitmaps), (24, 8, DirectoryAt)), 104);
        for (int i = 0; i < Bitmaps; i++)
        {
            file.WriteAt(Fields((0, 8, TablesAt + ((Bitmaps - 1 - i) * TableBytes)), (8, 4, TableBytes / 8), (12, 4, 1), (16, 1, 1), (17, 1, 16), (18, 2, 2), (24, 1, 1 + (i / 100)), (25, 1, 1 + (i % 100))), DirectoryAt + (i * 32));
        }
        file.WriteAt(Words(1, _ => (ulong)(10 * Small)), Small + 8);
        file.WriteAt([0, 1], 10 * Small);
        long before = GC.GetAllocatedBytesForCurrentThread();
        IDiskImage image = Open(new Qcow2Driver(), file, writable: true);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 << 20));
        Assert.That(file.BytesRead, Is.LessThan(1 << 20));
        byte[] count = new byte[2];
        file.ReadAt(count, 10 * Small);
        Assert.That(count, Is.All.Zero);
        image.Close();
    }

    /// <summary>A thousand tables of 2 MiB, all of them counted and in holes.</summary>
    [Test]
    public void L2TablesInHolesAreNotReadForASnapshot()
    {
        const int Tables = 1000;
        const int Bits = 21;
        using HoledFile file = Make(Tables + 100, (ulong)Tables << ((2 * Bits) - 3), Bits);
        file.WriteAt(Words(Tables, i => InUse | ((100UL + (ulong)i) << Bits)), 3L << Bits);
        file.WriteAt([.. Enumerable.Range(0, 2 * Tables).SelectMany(i => (byte[])[0, (byte)(i is < 4 or >= 100 and < Tables + 100 ? 1 : 0)])], 2L << Bits);
        ISnapshotImage image = (ISnapshotImage)Open(new Qcow2Driver(), file, writable: true);
        image.TakeSnapshot("s");
        image.ApplySnapshot("s");
        image.DeleteSnapshot("s");
        image.Close();
        Assert.That(file.BytesRead, Is.LessThan(64 << 20), "the refcount table is 2 MiB");
        Assert.That(image.Check().Clean, Is.True);
    }

    /// <summary>Errors are no longer worded after so many, but what lies over each other is still known.</summary>
    [Test]
    public void RepairKnowsThatATableLiesOnARefcountBlockWhateverElseIsWrong()
    {
        const int Bad = 250;
        using HoledFile file = Make(16, (Bad + 1UL) << 29);
        file.WriteAt(Words(Bad + 1, i => InUse | (ulong)(i < Bad ? (1000 + i) * Cluster : 2 * Cluster)), 3 * Cluster);
        long before = file.BytesWritten;
        Assert.That(() => new Qcow2Driver().Repair(new MemoryFiles(_ => file).New("image")), Throws.InstanceOf<ImageFormatException>());
        Assert.That(file.BytesWritten, Is.EqualTo(before));
    }

    /// <summary>By thousands of entries in turn: two places, of which one is damaged.</summary>
    [Test]
    public void ACompressedClusterIsUnpackedOnceWhoeverNamesIt()
    {
        const int Entries = 8192;
        byte[] packed = PackedZeros(0);
        using HoledFile file = Make(100, Entries * (ulong)Cluster);
        file.WriteAt(packed, 20 * Cluster);
        file.WriteAt(Enumerable.Repeat((byte)0xff, packed.Length).ToArray(), 21 * Cluster);
        CheckReport report = CheckPacked(file, Entries, i => (ulong)((20 + (i % 2)) * Cluster), packed.Length);
        Assert.That(report.Errors.Count(e => e.Contains("inflated", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(file.BytesRead, Is.LessThan(1 << 20));
    }

    /// <summary>Of the 4 MiB that an entry can claim a page is there. A hole that is not too long is read: some compressed data may be zeros.</summary>
    [Test]
    public void TheHoleBehindACompressedClusterIsNotRead()
    {
        const int Entries = 50;
        const int Bits = 21;
        const long Large = 1L << Bits;
        byte[] stream = new byte[8192];
        int length = Deflate.Instance.Pack(new byte[Large], stream);
        using HoledFile file = Make(1000, Entries * (ulong)Large, Bits);
        for (int i = 0; i < Entries - 1; i++)
        {
            file.WriteAt(stream.AsSpan(0, length), (10 + (2 * i)) * Large);
        }
        // The last one has zeros that are stored: a header for each block, and a hole behind it (RFC 1951, section 3.2.4).
        const int Block = 32768;
        for (int at = 0; at < Large; at += Block)
        {
            file.WriteAt([(byte)(at == Large - Block ? 1 : 0), 0, 0x80, 0xff, 0x7f], ((10 + (2 * (Entries - 1))) * Large) + (at / Block * (Block + 5)));
        }
        CheckReport report = CheckPacked(file, Entries, i => (ulong)((10 + (2 * i)) * Large), 2 * (int)Large, Bits);
        Assert.That(report.Errors.Where(e => e.Contains("inflated", StringComparison.Ordinal)), Is.Empty);
        Assert.That(file.BytesRead, Is.LessThan(20 << 20));
    }

    /// <summary>Zero bits may be a match, so that a page of data and a hole are as long as a cluster, again and again.</summary>
    [Test]
    public void HolesThatCompressedClustersGoOnInAreNotAllUnpacked()
    {
        const int Entries = 1000;
        const int Pitch = 128 << 10;
        byte[] packed = PackedZeros(0);
        using HoledFile file = Make(10_000, Entries * (ulong)Cluster);
        for (int i = 0; i < Entries; i++)
        {
            file.WriteAt(packed, (20 * Cluster) + (i * Pitch));
        }
        CheckReport report = CheckPacked(file, Entries, i => (ulong)((20 * Cluster) + (i * Pitch)), Pitch);
        Assert.That(report.Errors.Where(e => e.Contains("inflated", StringComparison.Ordinal)), Is.Empty);
        Assert.That(file.BytesRead, Is.LessThan(8 << 20));
    }

    /// <summary>One has all the room that it could need. Each other skips one more of the empty blocks in front of the zeros, so that all can be unpacked
    /// from nearly the same bytes.</summary>
    [Test]
    public void CompressedClustersOverEachOtherAreNotAllUnpacked()
    {
        const int Entries = 1000;
        byte[] packed = PackedZeros(Entries);
        using HoledFile file = Make(100, Entries * (ulong)Cluster);
        file.WriteAt(packed, 10 * Cluster);
        file.WriteAt(packed, 20 * Cluster);
        CheckReport report = CheckPacked(file, Entries, i => (ulong)((i == 0 ? 10 : 20) * Cluster) + (ulong)(i * EmptyBlock.Length), (int)Cluster);
        // A look for as many bytes as a cluster could be packed to, at no more than these.
        Assert.That(report.Errors.Count(e => e.Contains("inflated", StringComparison.Ordinal)), Is.InRange(1, Entries / 12));
        Assert.That(file.BytesRead, Is.LessThan(1 << 20));
    }

    /// <summary>What is wrong with it is said once, and not for each of the entries.</summary>
    [Test]
    public void AnL2TableThatAllEntriesNameIsJudgedOnce()
    {
        const int Tables = 1 << 12;
        using HoledFile file = Make(100, (ulong)Tables << 29);
        file.WriteAt(Words(Tables, _ => InUse | (ulong)(20 * Cluster)), 3 * Cluster);
        file.WriteAt(Words(8192, i => InUse | (ulong)((30 + (i % 50)) * Cluster)), 20 * Cluster);
        CheckReport report = Open(new Qcow2Driver(), file).Check();
        // Of each L1 entry that it names the table again, and its flag; and the counts of the table and of 50 clusters; and the flag of each L2 entry.
        Assert.That(report.Errors[^1], Is.EqualTo($"and {(2 * Tables) - 1 + 51 + 8192 - 200} more like these"));
    }

    /// <summary>Thousands of pieces of metadata, each of 2^17 clusters, in holes: a look at each cluster would take minutes.</summary>
    [Test, CancelAfter(60_000)]
    public void ClaimedClustersInHolesAreNotComparedOneByOne([Values] bool apart, [Values] bool counted)
    {
        const int Bitmaps = 60_000;
        const int Bits = 9;
        const long Small = 1 << Bits;
        const long First = 1 << 20;
        using HoledFile file = Make(First + (Bitmaps << 17), 1 << 15, Bits);
        file.WriteAt([1], 95);
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, Bitmaps), (16, 8, 32 * Bitmaps), (24, 8, 4096 * Small)), 104);
        file.WriteAt(Words(32 * Bitmaps / 8, i => BitmapWord(i, (First + ((long)(i / 4) * (apart ? 1 << 17 : 1))) * Small)), 4096 * Small);
        if (counted)
        {
            // A block of counts, of which every other one is 1, for all clusters that a table can name.
            file.WriteAt(Fields((0, 8, 1024 * Small), (8, 4, 512)), 48);
            file.WriteAt(Words(512 * 64, _ => (ulong)(2 * Small)), 1024 * Small);
            file.WriteAt(Words(64, _ => 0x0000_0001_0000_0001), 2 * Small);
        }
        CheckReport report = Open(new Qcow2Driver(), file).Check();
        Assert.That(report.Errors, Has.Count.EqualTo(201));
    }

    /// <summary>300 snapshots with L1 tables of 2^16 clusters.</summary>
    [Test]
    public void RepairCountsNoMoreMetadataThanThereCanBe()
    {
        const int Snapshots = 300;
        const long Small = 512;
        const long First = 1 << 20;
        using HoledFile file = Make(First + (Snapshots << 16), 1 << 15, 9);
        file.WriteAt(Fields((0, 4, Snapshots), (4, 8, 64 * Small)), 60);
        for (int i = 0; i < Snapshots; i++)
        {
            byte[] entry = Fields((0, 8, (First + ((long)i << 16)) * Small), (8, 4, 4 << 20), (12, 2, 1), (14, 2, 1), (36, 4, 16), (48, 8, 1 << 15), (56, 2, 0x3161));
            file.WriteAt(entry, (64 * Small) + (i * 64));
        }
        Assert.That(
            () => new Qcow2Driver().Repair(new MemoryFiles(_ => file).New("image")), Throws.InstanceOf<ImageFormatException>().With.Property("Expected").Contains("clusters at most"));
    }

    /// <summary>The same block of zeros again and again, whose counts would be asked for one by one.</summary>
    [Test, CancelAfter(60_000)]
    public void TheLastClusterThatCountsIsSoughtInRows()
    {
        using HoledFile file = Make(1L << 29, 1 << 20);
        file.WriteAt(Words(8192, i => (ulong)((i == 0 ? 2 : 10) * Cluster)), Cluster);
        file.WriteAt(new byte[Cluster], 10 * Cluster);
        Refcounts refcounts = new(new MetadataFile(new MemoryFiles(_ => file).New("image").File), new Qcow2Layout(new Qcow2Header { Version = 3, ClusterBits = 16, RefcountOrder = 4 }), new Qcow2Header { RefcountTableOffset = Cluster, RefcountTableClusters = 1 });
        Assert.That(refcounts.EndBefore(1UL << 29), Is.EqualTo(4));
        Assert.That(refcounts.EndBefore(3), Is.EqualTo(3));
    }

    private static ulong BitmapWord(int word, long table) => (word % 4) switch
    {
        0 => (ulong)table,
        1 => 8UL << 52,
        2 => 0x0110_0004_0000_0000,
        _ => 0,
    };

    private static CheckReport CheckPacked(HoledFile file, int entries, Func<int, ulong> placeOf, int length, int clusterBits = 16)
    {
        Qcow2Layout layout = new(new Qcow2Header { Version = 3, ClusterBits = (uint)clusterBits });
        file.WriteAt(Words(1, _ => InUse | (4UL << clusterBits)), 3L << clusterBits);
        file.WriteAt(Words(entries, i => L2Entry.Compressed(layout, placeOf(i), length).Raw), 4L << clusterBits);
        IDiskImage image = Open(new Qcow2Driver(), file);
        file.BytesRead = 0;
        return image.Check();
    }

    /// <summary>A cluster of zeros behind so many empty blocks.</summary>
    private static byte[] PackedZeros(int emptyBlocks)
    {
        byte[] zeros = new byte[Cluster];
        int length = Deflate.Instance.Pack(new byte[Cluster], zeros);
        return [.. Enumerable.Repeat(EmptyBlock, emptyBlocks).SelectMany(b => b), .. zeros[..length]];
    }
}
