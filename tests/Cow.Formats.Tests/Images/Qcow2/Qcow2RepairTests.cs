// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;
using static Cow.Formats.Tests.Images.Giant;
using static Cow.Formats.Tests.Images.Qcow2.HoledQcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>Repair loses nothing that somebody can read, and writes no more than it changes.</summary>
[TestFixture]
internal sealed class Qcow2RepairTests
{
    private const long Cluster = 65536;
    private const ulong InUse = Qcow2Layout.Copied;
    private const ulong Reserved = 1UL << 57;

    private const long DirectoryAt = 6 * Cluster;
    private const long TableAt = 7 * Cluster;
    private const string TwoBitmapsCounted = "1 1 1 1 1 1 1 1 1 1 1 0";

    private static readonly Qcow2Driver Driver = new();

    /// <summary>The first entry of the table, or one for clusters that are not there, names a cluster of the disk.</summary>
    [TestCase(0)]
    [TestCase(5)]
    public void DataThatIsNamedAsARefcountBlockIsNotWritten(int slot)
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        byte[] data = [.. Enumerable.Repeat((byte)7, (int)Cluster)];
        file.WriteAt(data, 5 * Cluster);
        file.WriteAt(Words(1, _ => (ulong)(5 * Cluster)), Cluster + (8 * slot));
        CheckReport report = Repair(file);
        Assert.That((report.Errors.Count, report.Leaks.Count, report.PlacedChunks), Is.EqualTo((0, 0, 1UL)));
        byte[] now = new byte[Cluster];
        file.ReadAt(now, 5 * Cluster);
        Assert.That(now, Is.EqualTo(data));
    }

    /// <summary>QEMU reads on what such an entry names.</summary>
    [Test]
    public void NothingBecomesFreeWhileAnEntryCannotBeCounted()
    {
        using HoledFile file = Image(InUse | Reserved | (ulong)(5 * Cluster), InUse | (ulong)(6 * Cluster));
        CheckReport report = Repair(file);
        Assert.That(report.Errors, Has.Count.EqualTo(1));
        Assert.That(Counts(file, 8), Is.EqualTo("1 1 1 1 1 1 1 0"));
        byte[] entry = new byte[8];
        file.ReadAt(entry, 4 * Cluster);
        Assert.That(entry, Is.EqualTo(Words(1, _ => InUse | Reserved | (ulong)(5 * Cluster))));
    }

    [Test]
    public void AnEntryThatCannotBeCountedIsNotTouched()
    {
        using HoledFile file = Image(InUse | Reserved | (ulong)(5 * Cluster), InUse | (ulong)(5 * Cluster));
        file.WriteAt([0, 2], (2 * Cluster) + 10);
        Repair(file);
        byte[] entries = new byte[16];
        file.ReadAt(entries, 4 * Cluster);
        Assert.That(entries, Is.EqualTo(Words(2, i => (i == 0 ? InUse | Reserved : 0) | (ulong)(5 * Cluster))));
    }

    /// <summary>What cannot be counted may read the same cluster, and would see it written in place.</summary>
    [Test]
    public void NothingBecomesOneOwnersWhileAnEntryCannotBeCounted()
    {
        ulong[] entries = [InUse | Reserved | (ulong)(5 * Cluster), 6 * Cluster];
        using HoledFile file = Image(entries);
        file.WriteAt([0, 1], (2 * Cluster) + 12);
        Repair(file);
        byte[] now = new byte[16];
        file.ReadAt(now, 4 * Cluster);
        Assert.That(now, Is.EqualTo(Words(2, i => entries[i])));
    }

    /// <summary>Else somebody would take for free what it names.</summary>
    [Test]
    public void AnImageStaysDirtyWhileAnEntryCannotBeCounted()
    {
        using HoledFile file = Image(InUse | Reserved | (ulong)(6 * Cluster));
        file.WriteAt([1], 79);
        Repair(file);
        Assert.That(() => Open(Driver, file, writable: true), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void ABitmapTableFarOutIsDropped()
    {
        using HoledFile file = Image();
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, 1), (16, 8, 32), (24, 8, 5 * Cluster)), 104);
        file.WriteAt(Fields((0, 8, -Cluster), (8, 4, 8192), (12, 4, 1), (16, 1, 1), (17, 1, 16), (19, 1, 1), (24, 1, 97)), 5 * Cluster);
        file.WriteAt([1], 95);
        using IDiskImage image = Open(Driver, file, writable: true);
        Assert.That(image.Check().Errors, Is.Empty);
    }

    /// <summary>What a bitmap names may be somebody else's: here a cluster of the disk, and then one that nobody else has.</summary>
    [Test]
    public void ADroppedBitmapFreesOnlyWhatNobodyElseHas()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        WithBitmap(file, 6, 7, [5 * Cluster, 8 * Cluster]);
        file.WriteAt([0, 1, 0, 1, 0, 1], (2 * Cluster) + 12);
        Open(Driver, file, writable: true).Close();
        Assert.That(Counts(file, 9), Is.EqualTo("1 1 1 1 1 1 0 0 0"));
        Assert.That(Open(Driver, file).Check().Clean, Is.True);
    }

    /// <summary>While something cannot be counted, that may name what the bitmap does.</summary>
    [Test]
    public void ADroppedBitmapFreesNothingWhileAnEntryCannotBeCounted()
    {
        using HoledFile file = Image(InUse | Reserved | (ulong)(8 * Cluster));
        WithBitmap(file, 6, 7, [8 * Cluster]);
        file.WriteAt([0, 1, 0, 1, 0, 1], (2 * Cluster) + 12);
        Open(Driver, file, writable: true).Close();
        Assert.That(Counts(file, 9), Is.EqualTo("1 1 1 1 1 1 1 1 1"));
    }

    /// <summary>The counts are right: each place has two owners.</summary>
    [TestCase(6)]
    [TestCase(7)]
    [TestCase(8)]
    public void DataOverABitmapIsAnError(int cluster)
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster), (ulong)(cluster * Cluster));
        WithBitmap(file, 6, 7, [8 * Cluster]);
        file.WriteAt([0, 1, 0, 1, 0, 1], (2 * Cluster) + 12);
        file.WriteAt([0, 2], (2 * Cluster) + (2 * cluster));
        Assert.That(Open(Driver, file).Check().Errors[0], Does.Contain("data apart from all metadata"));
    }

    /// <summary>In the cluster of the L1 table, of that of a snapshot, of the snapshot table, and of a block of refcounts.</summary>
    [TestCase(3)]
    [TestCase(8)]
    [TestCase(6)]
    [TestCase(2)]
    public void CompressedDataOverMetadataIsAnErrorAndNotReadByAWriter(int cluster)
    {
        Qcow2Layout layout = new(new Qcow2Header { Version = 3, ClusterBits = 16 });
        L2Entry entry = L2Entry.Compressed(layout, (ulong)(cluster * Cluster) + 32768, 512);
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster), entry.Raw);
        WithSnapshot(file, 6, 8, "1");
        file.WriteAt([0, 1, 0, 0, 0, 1], (2 * Cluster) + 12);
        file.WriteAt([0, 2], (2 * Cluster) + (2 * cluster));
        Assert.That(Open(Driver, file).Check().Errors[0], Does.Contain("apart from all metadata"));
        using IDiskImage image = Open(Driver, file, writable: true);
        Assert.That(() => image.Lookup(Cluster, 512), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>Whatever the entry, and however much is asked for: what is missing may have named data.</summary>
    [TestCase(1)]
    [TestCase(4095)]
    [TestCase(65535)]
    public void ATableThatTheEndOfTheFileCutsIsAnErrorAndNotRead(int left)
    {
        using HoledFile file = Make(4, 1 << 20);
        file.WriteAt(Words(1, _ => InUse | (ulong)(4 * Cluster)), 3 * Cluster);
        file.WriteAt([0, 1], (2 * Cluster) + 8);
        file.SetLength((4 * Cluster) + left);
        IDiskImage image = Open(Driver, file);
        Assert.That(image.Check().Errors, Has.Count.EqualTo(1).And.Some.Contains("no whole cluster"));
        Assert.That(() => image.Lookup(0, 512), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => image.Lookup(0, 1 << 20), Throws.InstanceOf<ImageFormatException>());
        Assert.That(Repair(file).Errors, Has.Count.EqualTo(1));
        Assert.That(Counts(file, 6), Is.EqualTo("1 1 1 1 1 0"));
    }

    [Test]
    public void BitmapsAreCounted()
    {
        using HoledFile file = WithTwoBitmaps();
        Assert.That(Open(Driver, file).Check().Clean, Is.True);
        file.WriteAt(new byte[10], (2 * Cluster) + 12);
        Assert.That(Repair(file).Errors, Is.Empty);
        Assert.That(Counts(file, 12), Is.EqualTo(TwoBitmapsCounted));
    }

    /// <summary>Else what it hides would become free, and QEMU refuses the whole image until somebody sets the byte right again.</summary>
    [TestCase(104, 0x24, TestName = "AWrongByteOfTheBitmapsFreesNothing(an extension that nobody knows)")]
    [TestCase(111, 16, TestName = "AWrongByteOfTheBitmapsFreesNothing(a short extension)")]
    [TestCase(115, 0, TestName = "AWrongByteOfTheBitmapsFreesNothing(no bitmaps)")]
    [TestCase(115, 1, TestName = "AWrongByteOfTheBitmapsFreesNothing(one bitmap)")]
    [TestCase(115, 3, TestName = "AWrongByteOfTheBitmapsFreesNothing(three bitmaps)")]
    [TestCase(113, 1, TestName = "AWrongByteOfTheBitmapsFreesNothing(many bitmaps)")]
    [TestCase(119, 1, TestName = "AWrongByteOfTheBitmapsFreesNothing(reserved bits)")]
    [TestCase(127, 0, TestName = "AWrongByteOfTheBitmapsFreesNothing(no directory)")]
    [TestCase(127, 32, TestName = "AWrongByteOfTheBitmapsFreesNothing(a short directory)")]
    [TestCase(127, 72, TestName = "AWrongByteOfTheBitmapsFreesNothing(a long directory)")]
    [TestCase(134, 2, TestName = "AWrongByteOfTheBitmapsFreesNothing(a directory inside a cluster)")]
    [TestCase(DirectoryAt + 5, 0, TestName = "AWrongByteOfTheBitmapsFreesNothing(no table)")]
    [TestCase(DirectoryAt + 6, 2, TestName = "AWrongByteOfTheBitmapsFreesNothing(a table inside a cluster)")]
    [TestCase(DirectoryAt + 11, 0, TestName = "AWrongByteOfTheBitmapsFreesNothing(an empty table)")]
    [TestCase(DirectoryAt + 11, 2, TestName = "AWrongByteOfTheBitmapsFreesNothing(a long table)")]
    [TestCase(DirectoryAt + 8, 1, TestName = "AWrongByteOfTheBitmapsFreesNothing(a table too long for anything)")]
    [TestCase(DirectoryAt + 15, 8, TestName = "AWrongByteOfTheBitmapsFreesNothing(a reserved flag)")]
    [TestCase(DirectoryAt + 16, 2, TestName = "AWrongByteOfTheBitmapsFreesNothing(type 2)")]
    [TestCase(DirectoryAt + 17, 8, TestName = "AWrongByteOfTheBitmapsFreesNothing(granularity 8)")]
    [TestCase(DirectoryAt + 17, 32, TestName = "AWrongByteOfTheBitmapsFreesNothing(granularity 32)")]
    [TestCase(DirectoryAt + 19, 0, TestName = "AWrongByteOfTheBitmapsFreesNothing(no name)")]
    [TestCase(DirectoryAt + 19, 9, TestName = "AWrongByteOfTheBitmapsFreesNothing(a name over the next entry)")]
    [TestCase(DirectoryAt + 18, 4, TestName = "AWrongByteOfTheBitmapsFreesNothing(a long name)")]
    [TestCase(DirectoryAt + 23, 1, TestName = "AWrongByteOfTheBitmapsFreesNothing(extra data)")]
    [TestCase(DirectoryAt + 24, 0, TestName = "AWrongByteOfTheBitmapsFreesNothing(NUL in a name)")]
    [TestCase(DirectoryAt + 24, 98, TestName = "AWrongByteOfTheBitmapsFreesNothing(a name twice)")]
    [TestCase(TableAt, 16, TestName = "AWrongByteOfTheBitmapsFreesNothing(a reserved bit in a table)")]
    [TestCase(TableAt + 7, 1, TestName = "AWrongByteOfTheBitmapsFreesNothing(all ones in a cluster)")]
    [TestCase(TableAt + 7, 2, TestName = "AWrongByteOfTheBitmapsFreesNothing(another reserved bit)")]
    [TestCase(TableAt + 6, 2, TestName = "AWrongByteOfTheBitmapsFreesNothing(a cluster inside a cluster)")]
    public void AWrongByteOfTheBitmapsFreesNothing(long at, byte value)
    {
        using HoledFile file = WithTwoBitmaps();
        file.WriteAt([value], at);
        Assert.That(Open(Driver, file).Check().Errors, Is.Not.Empty);
        Assert.That(Repair(file).Errors, Is.Not.Empty);
        Assert.That(Counts(file, 12), Is.EqualTo(TwoBitmapsCounted));
        Open(Driver, file, writable: true).Close();
        Assert.That(Counts(file, 12), Is.EqualTo(TwoBitmapsCounted), "they are dropped, and nobody can say what they had");
        Assert.That(Open(Driver, file).Check().Errors, Is.Empty);
    }

    /// <summary>The disk is as it was, and only a writer can say so again.</summary>
    [TestCase(104, 0x24)]
    [TestCase(115, 1)]
    [TestCase(DirectoryAt + 11, 0)]
    public void ADirtyImageIsWrittenWithoutBitmapsThatAreNotSound(long at, byte value)
    {
        using HoledFile file = WithTwoBitmaps();
        file.WriteAt([1], 79);
        file.WriteAt([0], (2 * Cluster) + 11);
        file.WriteAt([value], at);
        Open(Driver, file, writable: true).Close();
        Assert.That(Open(Driver, file).Check().Clean, Is.True);
        Assert.That(Counts(file, 6), Is.EqualTo("1 1 1 1 1 1"));
    }

    /// <summary>Lengths that are more than a number of 32 bits has room for, together.</summary>
    [Test]
    public void ABitmapWithExtraDataOfGigabytesIsAnError([Values] bool dirty)
    {
        using HoledFile file = WithTwoBitmaps();
        file.WriteAt([dirty ? (byte)1 : (byte)0], 79);
        file.WriteAt([255, 255, 255, 255], DirectoryAt + 20);
        Assert.That(Open(Driver, file).Check().Errors, Is.Not.Empty);
        Assert.That(Repair(file).Errors, Is.Not.Empty);
        Open(Driver, file, writable: true).Close();
        Assert.That(Open(Driver, file).Check().Errors, Is.Empty);
    }

    /// <summary>As one that is damaged: the disk needs none.</summary>
    [Test]
    public void ADirtyImageIsWrittenWithoutBitmapsThatLieOverATable()
    {
        using HoledFile file = WithTwoBitmaps();
        file.WriteAt([1], 79);
        file.WriteAt(Words(1, static _ => (ulong)(4 * Cluster)), TableAt);
        Open(Driver, file, writable: true).Close();
        Assert.That(Open(Driver, file).Check().Clean, Is.True);
        Assert.That(Counts(file, 6), Is.EqualTo("1 1 1 1 1 1"));
    }

    /// <summary>Something else is wrong, too: what is refused is not written.</summary>
    [Test]
    public void ADirtyImageThatIsRefusedKeepsBitmapsThatAreNotSound()
    {
        using HoledFile file = WithTwoBitmaps();
        file.WriteAt([1], 79);
        file.WriteAt([9], DirectoryAt + 16);
        file.WriteAt([2], (4 * Cluster) + 6);
        byte[] before = new byte[12 * Cluster];
        file.ReadAt(before, 0);
        Assert.That(() => Open(Driver, file, writable: true), Throws.InstanceOf<ImageFormatException>());
        byte[] after = new byte[before.Length];
        file.ReadAt(after, 0);
        Assert.That(after.AsSpan().SequenceEqual(before), Is.True);
    }

    /// <summary>Of one bitmap the granularity is wrong; all that can be found is counted.</summary>
    [Test]
    public void OfBitmapsThatAreNotSoundIsCountedWhatIsFound()
    {
        using HoledFile file = WithTwoBitmaps();
        file.WriteAt([8], DirectoryAt + 17);
        file.WriteAt(new byte[12], (2 * Cluster) + 12);
        Repair(file);
        Assert.That(Counts(file, 12), Is.EqualTo(TwoBitmapsCounted));
    }

    /// <summary>The specification lets others pass it by.</summary>
    [Test]
    public void ABitmapMayHaveExtraData()
    {
        using HoledFile file = WithTwoBitmaps();
        file.WriteAt([4, 1, 16, 0, 1, 0, 0, 0, 1, 0, 97], DirectoryAt + 15);
        Assert.That(Open(Driver, file).Check().Clean, Is.True);
    }

    [Test]
    public void ABitmapDirectoryOfNothingFarOutIsAnError()
    {
        using HoledFile file = Image();
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, 1), (24, 8, long.MinValue)), 104);
        file.WriteAt([1], 95);
        Assert.That(Open(Driver, file).Check().Errors[0], Does.Contain("the bitmaps extension"));
    }

    /// <summary>A hundred entries name a cluster that is counted once; counts have four bits, and its neighbour's share a byte with them.</summary>
    [TestCase(5)]
    [TestCase(6)]
    public void ASnapshotIsNotTakenWhereCountsAreTooLow(int cluster)
    {
        using HoledFile file = Image([.. Enumerable.Repeat((ulong)(cluster * Cluster), 100)]);
        file.WriteAt([0, 0, 0, 2], 96);
        file.WriteAt([0x11, 0x11, 0x11, 0x11, 0, 0, 0, 0, 0, 0, 0, 0], 2 * Cluster);
        file.WriteAt(Fields((0, 8, 100 * Cluster)), 24);
        byte[] before = Content(file);
        ISnapshotImage image = (ISnapshotImage)Open(Driver, file, writable: true);
        Assert.That(() => image.TakeSnapshot("s"), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("100 references"));
        image.Close();
        Assert.That(Content(file), Is.EqualTo(before));
    }

    /// <summary>Of the disk's table, or of the cluster that the disk and a snapshot have: without the snapshot it would be nobody's.</summary>
    [Test]
    public void SnapshotsAreNotChangedWhereACountIsTooLow([Values("take", "delete", "apply")] string change, [Values(4, 5)] int cluster)
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        Snapshots(file, "s");
        Assert.That(Counts(file, 6), Does.EndWith(" 2"));
        file.WriteAt([0, 1], (2 * Cluster) + (2 * cluster));
        RequireUnchanged(file, change, "2 references");
    }

    /// <summary>There is room for no table, or for one of the two that it takes. Version 2 has no mark by which anybody would set COPIED again, or find what
    /// was counted up for nothing.</summary>
    [Test]
    public void ASnapshotWithoutRoomChangesNothing([Values(2, 3)] int version, [Values(6, 7)] int clusters)
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        file.WriteAt([(byte)version], 7);
        MemoryFile device = Device(file, clusters);
        byte[] content = [.. device.Bytes];
        ISnapshotImage image = (ISnapshotImage)Driver.Open(new MemoryFiles(_ => device).New("image"), new ImageOpenOptions(Writable: true));
        Assert.That(() => image.TakeSnapshot("s"), Throws.InstanceOf<IOException>());
        image.Close();
        Assert.That(device.Bytes, Is.EqualTo(content));
    }

    /// <summary>The room for the table that was not enough is not counted with what is placed afterwards.</summary>
    [Test]
    public void AClusterIsPlacedWhereASnapshotHadNoRoom()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        MemoryFile device = Device(file, 7);
        MemoryFiles files = new(_ => device);
        using ImageDisk disk = new(ImageStack.Open(files.New("image"), new ImageStackOptions(Writable: true) { Drivers = [Driver] }));
        Assert.That(() => ((ISnapshotImage)disk.Chain.Images[0]).TakeSnapshot("s"), Throws.InstanceOf<IOException>());
        disk.Write(Cluster, new byte[512]);
        disk.Close();
        Assert.That(disk.Chain.Check().Clean, Is.True);
    }

    /// <summary>The only table is a snapshot's, too.</summary>
    [Test]
    public void ZerosThatNeedATableAreNotSaidWithoutRoomAndAllElseGoesOn()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        Snapshots(file, "s");
        MemoryFile device = Device(file, 8);
        byte[] content = [.. device.Bytes];
        IDiskImage image = Driver.Open(new MemoryFiles(_ => device).New("image"), new ImageOpenOptions(Writable: true));
        Assert.That(image.Reserve(new ChunkRun(0, 1), out _).Run.Count, Is.Zero, "the device is full");
        Assert.That(image.TryZero(new ChunkRun(0, 1)), Is.False);
        image.Flush();
        image.Close();
        Assert.That(device.Bytes, Is.EqualTo(content));
    }

    /// <summary>In the middle of metadata that one owner has each, of which there may be very much.</summary>
    [Test]
    public void ASnapshotIsNotTakenWhereATableCountsNothing()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        file.WriteAt([0, 0], (2 * Cluster) + 8);
        RequireUnchanged(file, "take", "cluster 4 has refcount 0");
    }

    /// <summary>Tables of a state that are one would be a disk that nobody can write any more.</summary>
    [TestCase("delete")]
    [TestCase("apply")]
    public void ASnapshotWhoseTablesAreOneIsNotChanged(string change)
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        WithSnapshot(file, 6, 8, "s");
        file.WriteAt(Fields((0, 8, 8 * Cluster), (8, 4, 2)), 6 * Cluster);
        file.WriteAt(Words(2, _ => (ulong)(4 * Cluster)), 8 * Cluster);
        string errors = string.Join('\n', Repair(file).Errors);
        Assert.That(errors, Is.EqualTo("entry 1 of the L1 table of snapshot s names the L2 table at 262144 that another of its entries names"));
        RequireUnchanged(file, change, "no other entry");
    }

    /// <summary>QEMU counts ids in 64 bits.</summary>
    [Test]
    public void AnIdComesAfterALargeOne()
    {
        using HoledFile file = Image();
        WithSnapshot(file, 6, 8, "4294967295");
        Repair(file);
        ISnapshotImage image = (ISnapshotImage)Open(Driver, file, writable: true);
        Assert.That(image.TakeSnapshot("s"), Is.EqualTo("4294967296"));
        image.Close();
    }

    [Test]
    public void NoIdComesAfterTheLargestOne()
    {
        using HoledFile file = Image();
        WithSnapshot(file, 6, 8, "18446744073709551615");
        Repair(file);
        ISnapshotImage image = (ISnapshotImage)Open(Driver, file, writable: true);
        Assert.That(() => image.TakeSnapshot("s"), Throws.ArgumentException);
        image.Close();
    }

    /// <summary>It would come to lie where that entry points.</summary>
    [Test]
    public void NoTableIsMadeWhileAnEntryCannotBeCounted()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster), InUse | (ulong)(17 * Cluster));
        file.WriteAt(Words(1, _ => 0), Cluster);
        RequireRefused(file);
    }

    /// <summary>A count of one bit has no room for a second reference, which is found last.</summary>
    [Test]
    public void NothingIsWrittenWhereACountHasNoRoom()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster), (ulong)(15 * Cluster), (ulong)(15 * Cluster));
        file.WriteAt([0, 0, 0, 0], 96);
        RequireRefused(file);
    }

    [Test]
    public void ABitmapDirectoryFarOutIsAnError()
    {
        using HoledFile file = Image();
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, 1), (16, 8, 64 << 20), (24, 8, -65536)), 104);
        file.WriteAt([1], 95);
        Assert.That(Open(Driver, file).Check().Errors[0], Does.Contain("the bitmaps extension"));
        Assert.That(Repair(file).Errors, Has.Count.EqualTo(1));
    }

    /// <summary>The last writer was killed just now: all of it seems to be a hole.</summary>
    [Test]
    public void NothingIsFreeThatIsNotYetDurable()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        file.WriteAt([7], 5 * Cluster);
        file.Hide();
        CheckReport report = Repair(file);
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((0, 1UL)));
        Assert.That(Counts(file, 6), Is.EqualTo("1 1 1 1 1 1"));
    }

    /// <summary>A name in another encoding than UTF-8 is as long as it is, and stays so.</summary>
    [Test]
    public void NamesOfSnapshotsAreTakenAsTheyAre()
    {
        using HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        string ascii = new('A', 40);
        Snapshots(file, ascii, "b");
        byte[] koi8 = [.. Enumerable.Repeat((byte)0xc1, 40)];
        // The table was written twice.
        byte[] all = Content(file);
        for (int at; (at = all.AsSpan().IndexOf(Encoding.ASCII.GetBytes(ascii))) >= 0;)
        {
            koi8.CopyTo(all, at);
            file.WriteAt(koi8, at);
        }
        CheckReport report = Repair(file);
        Assert.That((report.Errors.Count, report.Leaks.Count), Is.EqualTo((0, 0)));
        Snapshots(file, "c");
        Assert.That(string.Join(' ', Open(Driver, file).Info.Snapshots.Skip(1).Select(s => s.Name)), Is.EqualTo("b c"));
        Assert.That(Open(Driver, file).Check().Clean, Is.True);
        Assert.That(Content(file).AsSpan().LastIndexOf(koi8), Is.GreaterThan(all.AsSpan().LastIndexOf(koi8)), "in a new table");
    }

    /// <summary>More L2 tables side by side than a block of 512 bytes counts.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void TablesSideBySideAreCountedInAllTheirBlocks(bool anew)
    {
        const int Tables = 1000;
        using HoledFile file = Make(2000, (ulong)Tables << 15, 9);
        file.WriteAt(Words(Tables, i => InUse | ((200UL + (ulong)i) * 512)), 3 * 512);
        file.WriteAt(Words(8, i => anew ? 0 : (1900UL + (ulong)i) * 512), 512);
        long before = file.BytesWritten;
        CheckReport report = Repair(file);
        Assert.That((report.Errors.Count, report.Leaks.Count), Is.EqualTo((0, 0)));
        Assert.That(file.BytesWritten - before, Is.LessThan(32 << 10), "not for each cluster anew");
    }

    /// <summary>Each in a block of its own, of which a sector is not zero.</summary>
    [Test]
    public void OfNewBlocksOnlyWhatCountsIsWritten()
    {
        const int Bits = 21;
        using HoledFile file = Make((50L << 20) + 1, 1UL << 31, Bits);
        file.WriteAt(Words(1, _ => 0), 1L << Bits);
        file.WriteAt(Words(1, _ => InUse | (4UL << Bits)), 3L << Bits);
        file.WriteAt(Words(50, i => InUse | ((ulong)(i + 1) << (Bits + 20))), 4L << Bits);
        long before = file.BytesWritten;
        CheckReport report = Repair(file);
        Assert.That((report.Errors.Count, report.Leaks.Count, report.PlacedChunks), Is.EqualTo((0, 0, 50UL)));
        Assert.That(file.BytesWritten - before, Is.LessThan(3 << 20), "the table is 2 MiB");
    }

    /// <summary>Blocks of 2 MiB that are holes but for a page in the middle.</summary>
    [Test]
    public void OfBlocksOnlyWhatIsThereIsRead()
    {
        const int Bits = 21;
        const int Blocks = 50;
        using HoledFile file = Make(100, 1 << 20, Bits);
        file.WriteAt(Words(Blocks - 1, i => (ulong)(i + 10) << Bits), (1L << Bits) + 8);
        for (int i = 0; i < Blocks - 1; i++)
        {
            file.WriteAt([0, 1], ((i + 10L) << Bits) + (1 << 20));
        }
        Assert.That(Open(Driver, file).Check().Leaks, Has.Count.EqualTo(Blocks - 1));
        Assert.That(file.BytesRead, Is.LessThan(8 << 20), "the refcount table is 2 MiB");
        file.BytesRead = 0;
        Assert.That(Repair(file).Leaks, Is.Empty);
        Assert.That(file.BytesRead, Is.LessThan(16 << 20));
    }

    private static CheckReport Repair(HoledFile file) => Driver.Repair(new MemoryFiles(_ => file).New("image"));

    private static byte[] Content(HoledFile file)
    {
        byte[] bytes = new byte[file.Length];
        file.ReadAt(bytes, 0);
        return bytes;
    }

    /// <summary>A device with the first clusters of an image.</summary>
    private static MemoryFile Device(HoledFile file, int clusters)
    {
        MemoryFile device = new(clusters * Cluster);
        device.WriteAt(Content(file).AsSpan(0, (int)device.Length), 0);
        return device;
    }

    private static void RequireRefused(HoledFile file)
    {
        long before = file.BytesWritten;
        Assert.That(() => Repair(file), Throws.InstanceOf<ImageFormatException>());
        Assert.That(file.BytesWritten, Is.EqualTo(before));
    }

    /// <summary>Two bitmaps, each with a cluster of bits; all is counted.</summary>
    private static HoledFile WithTwoBitmaps()
    {
        HoledFile file = Image(InUse | (ulong)(5 * Cluster));
        file.WriteAt([1], 95);
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, 2), (16, 8, 64), (24, 8, DirectoryAt)), 104);
        for (int i = 0; i < 2; i++)
        {
            file.WriteAt(Fields((0, 8, TableAt + (i * Cluster)), (8, 4, 1), (16, 1, 1), (17, 1, 16), (19, 1, 1), (24, 1, 97 + i)), DirectoryAt + (32 * i));
            file.WriteAt(Words(1, _ => (ulong)((9 + i) * Cluster)), TableAt + (i * Cluster));
        }
        file.WriteAt([0, 1, 0, 1, 0, 1, 0, 1, 0, 1], (2 * Cluster) + 12);
        return file;
    }

    /// <summary>A bitmap in use with its directory, its table, of any size, and what that names.</summary>
    private static void WithBitmap(HoledFile file, int directory, int table, long[] entries)
    {
        file.WriteAt(Fields((0, 4, 0x23852875), (4, 4, 24), (8, 4, 1), (16, 8, 32), (24, 8, directory * Cluster)), 104);
        file.WriteAt(Fields((0, 8, table * Cluster), (8, 4, entries.Length), (12, 4, 1), (16, 1, 1), (17, 1, 16), (19, 1, 1), (24, 1, 97)), directory * Cluster);
        file.WriteAt(Words(entries.Length, i => (ulong)entries[i]), table * Cluster);
        file.WriteAt([1], 95);
    }

    /// <summary>A snapshot of an empty disk.</summary>
    private static void WithSnapshot(HoledFile file, int table, int l1, string id)
    {
        file.WriteAt(Fields((0, 4, 1), (4, 8, table * Cluster)), 60);
        file.WriteAt(Fields((0, 8, l1 * Cluster), (8, 4, 1), (12, 2, id.Length), (36, 4, 16), (48, 8, 1 << 20)), table * Cluster);
        file.WriteAt(Encoding.ASCII.GetBytes(id), (table * Cluster) + 56);
    }

    private static void RequireUnchanged(HoledFile file, string change, string expected)
    {
        byte[] before = Content(file);
        ISnapshotImage image = (ISnapshotImage)Open(Driver, file, writable: true);
        Action act = change switch
        {
            "take" => () => image.TakeSnapshot("t"),
            "delete" => () => image.DeleteSnapshot("s"),
            _ => () => image.ApplySnapshot("s"),
        };
        Assert.That(
            act,
            Throws.InstanceOf<ImageFormatException>().With.Message.Contains(expected));
        image.Close();
        Assert.That(Content(file), Is.EqualTo(before));
    }

    private static void Snapshots(HoledFile file, params string[] names)
    {
        ISnapshotImage image = (ISnapshotImage)Open(Driver, file, writable: true);
        foreach (string name in names)
        {
            image.TakeSnapshot(name);
        }
        image.Close();
    }

    private static string Counts(HoledFile file, int clusters)
    {
        byte[] block = new byte[2 * clusters];
        file.ReadAt(block, 2 * Cluster);
        return string.Join(' ', Enumerable.Range(0, clusters).Select(i => (256 * block[2 * i]) + block[(2 * i) + 1]));
    }

    /// <summary>An image of 16 clusters whose L2 table is the fifth; that and the one behind it are counted, no others.</summary>
    private static HoledFile Image(params ulong[] entries)
    {
        HoledFile file = Make(16, 1 << 20);
        file.WriteAt(Words(1, _ => InUse | (ulong)(4 * Cluster)), 3 * Cluster);
        file.WriteAt(Words(entries.Length, i => entries[i]), 4 * Cluster);
        file.WriteAt([0, 1, 0, 1], (2 * Cluster) + 8);
        return file;
    }
}
