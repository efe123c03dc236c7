// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;
using static Cow.Formats.Tests.Images.Giant;
using static Cow.Formats.Tests.Images.Qcow2.HoledQcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>What qcow2 has and other formats have not. QEMU makes the images, or judges ours.</summary>
[TestFixture]
internal sealed class Qcow2FeatureTests
{
    private const string Image = "image";
    private const string Raw = "raw";
    private const int DiskBytes = 1 << 20;

    private static readonly Qcow2Driver Driver = new();

    /// <summary>Clusters of 512 bytes to 2 MiB, each with another width of refcounts, of 1 to 64 bits.</summary>
    [Test]
    public void EveryClusterSizeIsMadeAndWritten([Range(9, 21)] int clusterBits, [Values] bool byQemu)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        string settings = $"cluster_size={1 << clusterBits},refcount_bits={1 << (clusterBits % 7)}";
        if (byQemu)
        {
            Qemu.Img(folder.Path, "create", "-q", "-f", "qcow2", "-o", settings, Image, $"{DiskBytes}");
        }
        else
        {
            Make(folder, settings);
        }
        byte[] content = WriteRaw(folder);
        With(folder, writable: true, disk => disk.Write(0, content));
        With(folder, writable: true, disk =>
        {
            content.AsSpan(DiskBytes / 2, 1024).Fill(9);
            disk.Write(DiskBytes / 2, content.AsSpan(DiskBytes / 2, 1024));
        });
        RequireSound(folder, content);
    }

    [TestCase("compression_type=zlib")]
    [TestCase("compression_type=zstd")]
    [TestCase("compression_type=zlib,cluster_size=512")]
    [TestCase("compression_type=zstd,cluster_size=2M")]
    [TestCase("compression_type=zstd,extended_l2=on")]
    public void WhatQemuCompressedIsReadAndWritten(string settings)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] content = WriteRaw(folder);
        Qemu.Img(folder.Path, "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", settings, Raw, Image);
        With(folder, writable: true, disk =>
        {
            RequireContent(disk, content);
            for (int at = 1024; at < DiskBytes; at += DiskBytes / 16)
            {
                content.AsSpan(at, 512).Fill((byte)(at % 251));
                disk.Write((ulong)at, content.AsSpan(at, 512));
            }
        });
        RequireSound(folder, content);
    }

    [TestCase("compression_type=deflate,cluster_size=4K")]
    [TestCase("compression_type=deflate,cluster_size=4K,refcount_bits=1")]
    [TestCase("compression_type=deflate,cluster_size=4K,refcount_bits=2")]
    [TestCase("compression_type=zstd")]
    [TestCase("compression_type=zstd,cluster_size=16K,extended_l2=on")]
    public void WhatWePackQemuReads(string settings)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] content = WriteRaw(folder);
        Make(folder, settings);
        With(folder, writable: true, disk =>
        {
            IPackingImage image = (IPackingImage)disk.Chain.Images[0];
            for (int at = 0; at < DiskBytes; at += image.PackBytes)
            {
                if (!image.TryWritePacked((ulong)at, content.AsSpan(at, image.PackBytes)))
                {
                    disk.Write((ulong)at, content.AsSpan(at, image.PackBytes));
                }
            }
            disk.Flush();
            RequireContent(disk, content);
        });
        RequireSound(folder, content);
    }

    [TestCase("cluster_size=4K")]
    [TestCase("cluster_size=512,refcount_bits=64")]
    [TestCase("cluster_size=16K,extended_l2=on")]
    public void SnapshotsAreTakenAppliedAndDeleted(string settings)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] first = WriteRaw(folder);
        Make(folder, settings);
        With(folder, writable: true, disk => disk.Write(0, first));
        WithSnapshots(folder, image => Assert.That(image.TakeSnapshot("one"), Is.EqualTo("1")));
        byte[] second = [.. first];
        With(folder, writable: true, disk =>
        {
            second.AsSpan(5 * 512, 4096).Fill(7);
            disk.Write(5 * 512, second.AsSpan(5 * 512, 4096));
        });
        RequireSound(folder, second);
        With(folder, writable: false, disk => RequireContent(disk, first), "one");
        WithSnapshots(folder, image => image.TakeSnapshot("two"));
        WithSnapshots(folder, image => image.ApplySnapshot("one"));
        RequireSound(folder, first);
        WithSnapshots(folder, image => image.DeleteSnapshot("1"));
        RequireSound(folder, first);
        Qemu.Img(folder.Path, "snapshot", "-a", "two", Image);
        RequireSound(folder, second);
        WithSnapshots(folder, image => image.DeleteSnapshot("two"));
        RequireSound(folder, second);
        With(folder, writable: true, disk => disk.Write(0, first));
        RequireSound(folder, first);
    }

    [TestCase("preallocation=metadata,cluster_size=4K")]
    [TestCase("preallocation=metadata,cluster_size=16K,extended_l2=on")]
    public void APreallocatedImageHasAPlaceForEverything(string settings)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Make(folder, settings);
        With(folder, writable: false, disk => Assert.That(disk.Chain.Images[0].Lookup(DiskBytes / 2, 512).Kind, Is.EqualTo(ImageExtentKind.Data)));
        RequireSound(folder, new byte[DiskBytes]);
    }

    /// <summary>Of one bit for every sector to one for the whole disk, whose size is none that fits.</summary>
    [TestCase("512", 100_000_256)]
    [TestCase("64K", 100_000_256)]
    [TestCase("2G", 512)]
    public void BitmapsOfQemuAreSound(string granularity, int diskBytes)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", Image, $"{diskBytes}");
        Qemu.Img(folder.Path, "bitmap", "--add", "-g", granularity, Image, "b0");
        Qemu.Img(folder.Path, "bitmap", "--add", "--disable", "-g", granularity, Image, new string('b', 1023));
        Qemu.Io(folder.Path, "qcow2", Image, ["write -P 3 0 512"]);
        With(folder, writable: false, disk => Assert.That(disk.Chain.Check().Errors.Concat(disk.Chain.Check().Leaks), Is.Empty));
    }

    [Test]
    public void BitmapsAreDroppedBeforeTheFirstWrite()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "qcow2", Image, $"{DiskBytes}");
        Qemu.Img(folder.Path, "bitmap", "--add", Image, "b0");
        Qemu.Io(folder.Path, "qcow2", Image, ["write -P 3 0 64k"]);
        With(folder, writable: true, disk => { });
        Assert.That(Qemu.Img(folder.Path, "info", Image), Does.Not.Contain("b0"));
        Qemu.Check(folder.Path, "qcow2", Image, leaks: false);
    }

    /// <summary>Blocks are given by sectors: what is behind the last whole one would have none where it is a hole.</summary>
    [Test]
    public void ATableThatEndsInsideASectorGetsTheRestOfIt()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "qcow2", Image, $"{DiskBytes}");
        var file = new FileInfo(Path.Combine(folder.Path, Image));
        long before = file.Length;
        Assert.That(before % 512, Is.Not.Zero, "qemu-img pads its tables now: make the image another way");
        With(folder, writable: true, disk => Assert.That(disk.Chain.Images[0].Info.Files[0].Length, Is.EqualTo((before + 511) / 512 * 512)));
        RequireSound(folder, new byte[DiskBytes]);
    }

    [Test]
    public void ADirtyImageGetsItsRefcountsBack()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("lazy_refcounts=on,cluster_size=4K", content);
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            // Not closed: dirty.
            content.AsSpan(0, 8192).Fill(9);
            disk.Write(0, content.AsSpan(0, 8192));
            disk.Flush();
        }
        ZeroRefcountsBehind(files, 5);
        files = files.Reopened();
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            disk.Close();
        }
        RequireClean(files, content);
    }

    [Test]
    public void RepairFindsLeaksAndLostRefcounts()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("cluster_size=4K", content);
        ZeroRefcountsBehind(files, 0);
        using (ImageDisk disk = OpenMemory(files.Reopened(), writable: false))
        {
            Assert.That(disk.Chain.Check().Errors, Is.Not.Empty);
        }
        Assert.That(() => OpenMemory(files.Reopened(), writable: true), Throws.InstanceOf<ImageFormatException>());
        CheckReport report = Driver.Repair(files.Reopened().Source(Image));
        Assert.That(report.Errors.Concat(report.Leaks), Is.Empty);
        RequireClean(files, content);
    }

    [Test]
    public void RepairMakesNewRefcountsWhereTheTableIsEmpty()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("cluster_size=4K", content);
        ulong table = Header(files).RefcountTableOffset;
        files.Source(Image).File.WriteAt(new byte[512], (long)table);
        CheckReport report = Driver.Repair(files.Reopened().Source(Image));
        Assert.That(report.Errors.Concat(report.Leaks), Is.Empty);
        RequireClean(files, content);
    }

    [Test]
    public void OtherSubclustersMoveWithTheTouchedOne()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("cluster_size=16K,extended_l2=on", content);
        using (ISnapshotImage image = (ISnapshotImage)Driver.Open(files.Reopened().Source(Image), new ImageOpenOptions(Writable: true)))
        {
            image.TakeSnapshot("s");
            image.Close();
        }
        files = files.Reopened();
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            IDiskImage image = disk.Chain.Images[0];
            PlacedRun first = image.Reserve(new ChunkRun(0, 1), out _);
            PlacedRun second = image.Reserve(new ChunkRun(1, 1), out _);
            Assert.That(second.Place.Sector, Is.EqualTo(first.Place.Sector + 1));
            // Somebody writes the second while only the first is committed.
            content.AsSpan(0, 512).Fill(1);
            files.Source(Image).File.Uncached.WriteAt(content.AsSpan(0, 512), (long)first.Place.Sector * 512);
            image.Commit([first]);
            image.Flush();
            Assert.That(image.Lookup(512, 512).Kind, Is.EqualTo(ImageExtentKind.Data), "it moved with the first");
            disk.Close();
        }
        RequireClean(files, content);
    }

    /// <summary>Nothing of a cluster is given out before all of it is at its new place: the commit of one subcluster names all others there.</summary>
    [Test]
    public void AClusterThatCouldNotBeMovedIsMovedForTheNextSubcluster(
        [Values] bool compressed, [Values(StumblingFile.NoSpace, StumblingFile.OverQuota, StumblingFile.BadSector)] int error)
    {
        bool full = error != StumblingFile.BadSector;
        byte[] content = new byte[DiskBytes];
        StumblingFile file = new(MovingImage(compressed, content).Copy(Image));
        MemoryFiles files = new MemoryFiles().Add(Image, file);
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            IDiskImage image = disk.Chain.Images[0];
            file.NextWrite = StumblingFile.Failure(error);
            if (full)
            {
                Assert.That(image.Reserve(new ChunkRun(0, 1), out _).Run.Count, Is.Zero, "it waits for room");
            }
            else
            {
                Assert.That(() => image.Reserve(new ChunkRun(0, 1), out _), Throws.InstanceOf<IOException>());
            }
            Assert.That(file.NextWrite, Is.Null, "it was to be moved");
            content.AsSpan(512, 512).Fill(7);
            disk.Write(512, content.AsSpan(512, 512));
            disk.Close();
        }
        RequireClean(files, content);
    }

    /// <summary>An entry lacks the flag, though nobody else has the cluster. Who has looked up another subcluster of it still reads that there when one has moved.</summary>
    [Test]
    public void WhereSubclustersWereNothingElseIsPutBeforeTheEnd()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("cluster_size=16K,extended_l2=on", content);
        ChangeFirstEntry(files, static entry => entry & ~Qcow2Layout.Copied);
        files = files.Reopened();
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            IDiskImage image = disk.Chain.Images[0];
            ImageExtent known = image.Lookup(7 * 512, 512);
            Assert.That(known.Kind, Is.EqualTo(ImageExtentKind.Shared));
            content.AsSpan(3 * 512, 512).Fill(1);
            disk.Write(3 * 512, content.AsSpan(3 * 512, 512));
            disk.Flush();
            ulong old = ((ulong)known.Offset - (7 * 512)) / 512;
            Assert.That(image.Check().Errors.Concat(image.Check().Leaks), Is.Empty);
            disk.Zero(DiskBytes / 2, DiskBytes / 2);
            disk.Flush();
            for (ulong cluster = DiskBytes / 2 / 16384; cluster < DiskBytes / 16384; cluster++)
            {
                Assert.That(image.Reserve(new ChunkRun(cluster * 32, 1), out _).Place.Sector, Is.Not.EqualTo(old));
            }
            content.AsSpan(DiskBytes / 2).Clear();
            disk.Close();
        }
        RequireClean(files, content);
    }

    /// <summary>What an entry names that reads as zeros nobody has judged: it reaches into two clusters of others, or into a table.</summary>
    [TestCase(4096UL + 512)]
    [TestCase(0UL)]
    public void ADamagedEntryOfZerosTakesNothingFromOthers(ulong behind)
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("cluster_size=4K", content);
        ulong table = FirstTable(files);
        ChangeFirstEntry(files, entry => (behind == 0 ? table : (entry & Qcow2Layout.OffsetMask) + behind) | L2Entry.Zero);
        files = files.Reopened();
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            disk.Write(0, content.AsSpan(0, 4096));
            disk.Close();
        }
        using ImageDisk closed = OpenMemory(files.Reopened(), writable: false);
        CheckReport report = closed.Chain.Check();
        Assert.That((report.Errors.Count, report.Leaks.Count), Is.EqualTo((0, 1)), "the cluster that the entry named before is lost");
        RequireContent(closed, content);
    }

    /// <summary>The disk ends inside a cluster, or a subcluster, whose place somebody used before. QEMU makes the disk larger then.</summary>
    [TestCase("cluster_size=64K")]
    [TestCase("cluster_size=64K,extended_l2=on")]
    public void WhatIsBehindTheEndOfTheDiskIsZerosWhenItBecomesLarger(string settings)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] device = [.. Enumerable.Repeat((byte)0xa5, 4 * DiskBytes)];
        MemoryFiles files = new MemoryFiles().Add(Image, new MemoryFile(device));
        byte[] content = new byte[2 * DiskBytes];
        content.AsSpan(DiskBytes, 512).Fill(7);
        using (ImageDisk disk = new(new ImageChain([Driver.Create(files.Source(Image), new ImageCreateOptions(DiskBytes + 512, null, Settings(settings)))], true)))
        {
            disk.Write(DiskBytes, content.AsSpan(DiskBytes, 512));
            disk.Close();
        }
        File.WriteAllBytes(folder.File(Image), device);
        Qemu.Img(folder.Path, "resize", "-q", "-f", "qcow2", Image, $"{content.Length}");
        File.WriteAllBytes(folder.File("expected"), content);
        Qemu.Compare(folder.Path, "qcow2", Image, "expected");
    }

    /// <summary>A former process gave places out behind the longer table that it had planned, and was killed before the first commit. Where the table was to be they leave no
    /// room for one.</summary>
    [Test]
    public void ALongerRefcountTableIsPutBehindPlacesThatAreTakenOver()
    {
        const ulong Clusters = 64 * 256;
        const ulong FirstSlot = 512;
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", Image, $"{1 << 30}");
        // Tables are there, so that nothing but places is taken.
        Qemu.Io(folder.Path, "qcow2", Image, ["write -q 0 7M", .. Enumerable.Range((int)FirstSlot, 60).Select(static slot => $"write -q {slot * 32768} 512")]);
        MemoryFiles files = new();
        files.Put(Image, File.ReadAllBytes(folder.File(Image)));
        List<PlacedRun> given = [];
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            for (ulong chunk = FirstSlot * 64; given.Count == 0 || given[^1].Place.Sector < Clusters + 300; chunk++)
            {
                if (chunk % 64 != 0)
                {
                    given.Add(disk.Chain.Images[0].Reserve(new ChunkRun(chunk, 1), out _));
                    Assert.That(given[^1].Run.Count, Is.EqualTo(1));
                }
            }
        }
        files = files.Reopened();
        files.Source(Image).File.Uncached.SetLength(((long)given[^1].Place.Sector + 1) * 512);
        using (ImageDisk disk = OpenMemory(files, writable: true))
        {
            given.ForEach(disk.Chain.Adopt);
            disk.Chain.Commit([.. given]);
            disk.Chain.Flush();
            given.ForEach(disk.Chain.Adopt);
            disk.Close();
        }
        using ImageDisk closed = OpenMemory(files.Reopened(), writable: false);
        CheckReport report = closed.Chain.Check();
        Assert.That(report.Errors.Concat(report.Leaks), Is.Empty);
    }

    [Test]
    public void ZeroingASubclusterLeavesTheHostClusterToAPendingOne()
    {
        MemoryFiles files = new();
        byte[] content = new byte[DiskBytes];
        using (ImageDisk disk = new(new ImageChain([Driver.Create(files.New(Image), new ImageCreateOptions(DiskBytes, null, Settings("cluster_size=16K,extended_l2=on")))], true)))
        {
            disk.Write(0, new byte[512]);
            disk.Flush();
            content.AsSpan(512, 512).Fill(4);
            disk.Write(512, content.AsSpan(512, 512));
            disk.Zero(0, 512);
            disk.Close();
        }
        RequireClean(files, content);
    }

    [Test]
    public void AnEncryptedImageIsRefusedWithASentence()
    {
        MemoryFiles files = MemoryImage("", new byte[DiskBytes]);
        files.Source(Image).File.WriteAt([0, 0, 0, 2], 32);
        Assert.That(() => OpenMemory(files.Reopened(), writable: false), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("encryption"));
    }

    [Test]
    public void AnUnknownIncompatibleFeatureIsRefusedByTheNameThatTheImageGivesIt()
    {
        MemoryFiles files = MemoryImage("", new byte[DiskBytes]);
        // The table of names calls bit 21 what was the dirty bit's name.
        int name = files.Bytes(Image).AsSpan(0, 4096).IndexOf("dirty bit"u8);
        PatchHeader(files, header =>
        {
            header[name - 1] = 21;
            header[Qcow2Header.IncompatibleAt + 5] = 1 << (21 - 16);
        });
        Assert.That(() => OpenMemory(files.Reopened(), writable: false), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("dirty bit"));
    }

    [Test]
    public void UnknownAutoclearBitsAreClearedBeforeTheFirstWrite()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("", content);
        PatchHeader(files, header => header[Qcow2Header.AutoclearAt] = 0x40);
        OpenMemory(files, writable: false).Dispose();
        Assert.That((ulong)Header(files).Autoclear, Is.Not.Zero, "nothing is written");
        OpenMemory(files, writable: true).Dispose();
        Assert.That((ulong)Header(files).Autoclear, Is.Zero);
        RequireClean(files, content);
    }

    [Test]
    public void ASnapshotThatClaimsEveryByteIsListedAndNotOpened()
    {
        MemoryFiles files = MemoryImage("", new byte[DiskBytes]);
        using (ISnapshotImage image = (ISnapshotImage)Driver.Open(files.Source(Image, writable: true), new ImageOpenOptions(Writable: true)))
        {
            image.TakeSnapshot("all");
            image.Close();
        }
        long diskBytesAt = (long)Header(files).SnapshotsOffset + 48;
        files.Source(Image).File.WriteAt([.. Enumerable.Repeat((byte)0xff, 8)], diskBytesAt);
        using (ImageDisk disk = OpenMemory(files.Reopened(), writable: false))
        {
            Assert.That(disk.Chain.Images[0].Info.Snapshots[0].Name, Is.EqualTo("all"));
            Assert.That(disk.Chain.Check().Errors, Is.Not.Empty);
        }
        Assert.That(
            () => Driver.Open(files.Reopened().Source(Image), new ImageOpenOptions(Writable: false, "all")), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>What was asked for was wrong, and nothing was written.</summary>
    [Test]
    public void AWriterGoesOnAfterASnapshotThatIsNotThere()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("", content);
        using (ISnapshotImage image = (ISnapshotImage)Driver.Open(files.Source(Image, writable: true), new ImageOpenOptions(Writable: true)))
        {
            Assert.That(() => image.DeleteSnapshot("nonesuch"), Throws.ArgumentException);
            Assert.That(image.TakeSnapshot("s"), Is.EqualTo("1"));
            Assert.That(() => image.TakeSnapshot("s"), Throws.ArgumentException);
            image.ApplySnapshot("s");
            image.Close();
        }
        RequireClean(files, content);
    }

    /// <summary>What was taken and not used goes back first. That failed, and nobody knows how much of it.</summary>
    [Test]
    public void AWriterDoesNotGoOnAfterASnapshotThatFailed()
    {
        StumblingFile file = new(MemoryImage("cluster_size=4K", new byte[DiskBytes]).Copy(Image));
        using ImageDisk disk = OpenMemory(new MemoryFiles().Add(Image, file), writable: true);
        disk.Zero(0, 4096);
        disk.Write(0, new byte[4096]);
        disk.Flush();
        ISnapshotImage image = (ISnapshotImage)disk.Chain.Images[0];
        file.NextWrite = StumblingFile.Failure(StumblingFile.BadSector);
        Assert.That(() => image.TakeSnapshot("s"), Throws.InstanceOf<IOException>());
        Assert.That(() => image.TakeSnapshot("s"), Throws.InstanceOf<IOException>().With.Message.Contains("an earlier write failed"));
    }

    /// <summary>QEMU changes none, either.</summary>
    [Test]
    public void WithADataFileSnapshotsAreNotChanged()
    {
        byte[] content = new byte[DiskBytes];
        MemoryFiles files = MemoryImage("cluster_size=4K,data_file=image.data", content);
        long at = (files.Source(Image).File.Length + 4095) / 4096 * 4096;
        SnapshotEntry entry = new() { L1Offset = (ulong)at + 4096, L1Entries = Header(files).L1Entries, IdBytes = "1"u8.ToArray(), NameBytes = "s"u8.ToArray() };
        files.Source(Image).File.WriteAt(SnapshotTable.Of([entry]).ToBytes(), at);
        files.Source(Image).File.WriteAt(new byte[4096], at + 4096);
        PatchHeader(files, bytes => (bytes[63], bytes[69], bytes[70], bytes[71]) = (1, (byte)(at >> 16 & 0xff), (byte)(at >> 8 & 0xff), (byte)(at & 0xff)));
        using ISnapshotImage image = (ISnapshotImage)Driver.Open(files.Reopened().Source(Image, writable: true), new ImageOpenOptions(Writable: true));
        Assert.That(() => image.ApplySnapshot("s"), Throws.ArgumentException.With.Message.Contains("data file"));
        Assert.That(() => image.DeleteSnapshot("s"), Throws.ArgumentException.With.Message.Contains("data file"));
    }

    /// <summary>A data file has no counts, and QEMU demands the flag. Clusters of 512 bytes have many tables.</summary>
    [Test]
    public void EveryEntryOfADataFileIsCopied([Values(512, 4096)] int clusterBytes)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "qcow2", "-o", $"cluster_size={clusterBytes},data_file=data", Image, $"{DiskBytes}");
        Qemu.Io(folder.Path, "qcow2", Image, [$"write -P 5 0 {DiskBytes}"]);
        long entryAt = File.ReadAllBytes(folder.File(Image)).AsSpan().IndexOf(Words(1, _ => Qcow2Layout.Copied | 0xe000));
        using (FileStream file = File.OpenWrite(folder.File(Image)))
        {
            file.Position = entryAt;
            file.WriteByte(0);
        }
        With(folder, writable: false, disk => Assert.That(disk.Chain.Check().Errors, Has.Count.EqualTo(1).And.Some.Contains(" is e000,")));
        using (FolderFiles files = new(folder.Path))
        {
            CheckReport report = Driver.Repair(files.Source(Image));
            Assert.That(report.Errors.Concat(report.Leaks), Is.Empty);
        }
        RequireSound(folder, [.. Enumerable.Repeat((byte)5, DiskBytes)]);
    }

    /// <summary>Its tables would be the disk's data, and a write to one would change the other.</summary>
    [TestCase("image")]
    [TestCase("./image")]
    [TestCase("./../images/image")]
    [TestCase("link")]
    public void AnImageIsNotItsOwnDataFile(string name)
    {
        using ScratchFolder scratch = new();
        string folder = Directory.CreateDirectory(scratch.File("images")).FullName;
        using (FolderFiles made = new(folder))
        {
            Driver.Create(made.New(Image), new ImageCreateOptions(DiskBytes, null, Settings($"data_file={new string('x', name.Length)}"))).Close();
        }
        string path = Path.Combine(folder, Image);
        byte[] bytes = File.ReadAllBytes(path);
        Encoding.ASCII.GetBytes(name).CopyTo(bytes, bytes.AsSpan().IndexOf(Encoding.ASCII.GetBytes(new string('x', name.Length))));
        File.WriteAllBytes(path, bytes);
        File.CreateSymbolicLink(Path.Combine(folder, "link"), Image);
        using FolderFiles files = new(folder);
        ImageSource source = files.Source(Image, writable: false);
        Assert.That(() => Driver.Open(source, new ImageOpenOptions(Writable: false)), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("another file than the image"));
        using FolderFiles written = new(folder);
        source = written.Source(Image);
        Assert.That(() => Driver.Open(source, new ImageOpenOptions(Writable: true)), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void WhatLiesBeforeABadEntryIsRead()
    {
        using HoledFile file = HoledQcow2.Make(20, DiskBytes);
        file.WriteAt(Words(1, static _ => Qcow2Layout.Copied | (5 << 16)), 3 << 16);
        file.WriteAt(Words(2, static i => Qcow2Layout.Copied | ((10UL + (ulong)i) << 16) | (i == 1 ? 512UL : 0)), 5 << 16);
        IDiskImage image = Giant.Open(Driver, file);
        Assert.That(image.Lookup(0, DiskBytes), Is.EqualTo(new ImageExtent(1 << 16, ImageExtentKind.Data, 0, 10 << 16)));
        Assert.That(() => image.Lookup(1 << 16, DiskBytes - (1 << 16)), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>As QEMU's check has it, which reads it all the same.</summary>
    [Test]
    public void CompressedDataHasNoSubclusters()
    {
        const int ExtendedL2 = 1 << 4;
        using HoledFile file = HoledQcow2.Make(20, DiskBytes);
        file.WriteAt(Fields((0, 8, ExtendedL2)), 72);
        file.WriteAt(Words(1, static _ => Qcow2Layout.Copied | (5 << 16)), 3 << 16);
        file.WriteAt(Words(2, static i => i == 0 ? (1UL << 62) | (10 << 16) : 1), 5 << 16);
        IDiskImage image = Giant.Open(Driver, file);
        Assert.That(image.Lookup(0, DiskBytes).Kind, Is.EqualTo(ImageExtentKind.Packed));
        Assert.That(image.Check().Errors, Has.Some.Contains("no subclusters in compressed data"));
    }

    /// <summary>As QEMU's check has it: data may end a little behind the end of the file, since its length is told in sectors.</summary>
    [TestCase(1, true)]
    [TestCase(128, false)]
    public void CompressedDataEndsInTheFile(int sectorsBehind, bool right)
    {
        using HoledFile file = HoledQcow2.Make(20, DiskBytes);
        ulong offset = (20UL << 16) - 512;
        file.WriteAt(Words(1, static _ => Qcow2Layout.Copied | (5 << 16)), 3 << 16);
        file.WriteAt(Words(1, _ => (1UL << 62) | ((ulong)sectorsBehind << 54) | offset), 5 << 16);
        CheckReport report = Giant.Open(Driver, file).Check();
        Assert.That(report.Errors, right ? Has.None.Contains("ends in a cluster of the file") : Has.Some.Contains("ends in a cluster of the file"));
        Assert.That(report.Errors, Has.Some.Contains("cluster 19 has refcount 0").Or.Some.Contains("ends in"));
    }

    /// <summary>Deflate makes 1032 bytes of one at most: 64 are needed for 64 KiB, and are not unpacked where there are fewer.</summary>
    [TestCase(21, 512, "which cannot be so much")]
    [TestCase(16, 63, "which cannot be so much")]
    [TestCase(16, 64, "cannot be inflated")]
    public void CompressedDataTooShortForItsClusterIsFound(int clusterBits, int bytes, string found)
    {
        long cluster = 1L << clusterBits;
        long offset = (10 * cluster) + 512 - bytes;
        using HoledFile file = HoledQcow2.Make(20, DiskBytes, clusterBits);
        file.WriteAt(Words(1, _ => Qcow2Layout.Copied | (ulong)(5 * cluster)), 3 * cluster);
        file.WriteAt(Words(1, _ => (1UL << 62) | (ulong)offset), 5 * cluster);
        file.WriteAt([.. Enumerable.Repeat((byte)0x55, bytes)], offset);
        IDiskImage image = Giant.Open(Driver, file);
        Assert.That(image.Check().Errors, Has.Some.Contains($"at byte {offset}").And.Some.Contains(found));
        Assert.That(() => image.ReadPacked(0, new byte[512]), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>Where they do, a page of entries is a disk of any size.</summary>
    [Test]
    public void EntriesThatNameOneTableAreNotGoneThrough()
    {
        using HoledFile file = HoledQcow2.Make(20, 1UL << 40);
        file.WriteAt(Words(2048, static _ => Qcow2Layout.Copied | (5 << 16)), 3 << 16);
        file.WriteAt(Words(8192, static i => i % 2 == 0 ? 1UL : 0), 5 << 16);
        IDiskImage image = Giant.Open(Driver, file);
        Assert.That(FirstExtent(image), Is.Zero);
        Assert.That(image.Lookup(1 << 16, 1 << 30), Is.EqualTo(new ImageExtent(1 << 16, ImageExtentKind.Below)), "the table itself is read");
        Assert.That(() => image.Lookup(1UL << 29, 1 << 30), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void ANameLongerThanAClusterIsRefused()
    {
        MemoryFiles files = MemoryImage("cluster_size=512", new byte[DiskBytes]);
        PatchHeader(files, header => (header[15], header[18], header[19]) = (112, 2, 88));
        Assert.That(() => OpenMemory(files.Reopened(), writable: false), Throws.InstanceOf<ImageFormatException>());
    }

    private static void PatchHeader(MemoryFiles files, Action<byte[]> change)
    {
        byte[] header = files.Bytes(Image)[..4096];
        change(header);
        files.Source(Image).File.WriteAt(header, 0);
    }

    private static byte[] WriteRaw(ScratchFolder folder)
    {
        byte[] content = new byte[DiskBytes];
        Random random = new(5);
        for (int at = 0; at < DiskBytes; at += 4096)
        {
            // Some of it compresses, some does not, some is zero.
            if (at / 4096 % 3 == 0)
            {
                random.NextBytes(content.AsSpan(at, at / 4096 % 2 == 0 ? 4096 : 300));
            }
        }
        File.WriteAllBytes(folder.File(Raw), content);
        return content;
    }

    private static Dictionary<string, string> Settings(string settings) =>
        new ImageVariant(settings, DiskBytes).SettingsFor(Image).ToDictionary();

    private static void Make(ScratchFolder folder, string settings)
    {
        using FolderFiles files = new(folder.Path);
        using IDiskImage image = Driver.Create(files.New(Image), new ImageCreateOptions(DiskBytes, null, Settings(settings)));
        image.Close();
    }

    private static void With(ScratchFolder folder, bool writable, Action<ImageDisk> action, string? snapshot = null)
    {
        using FolderFiles files = new(folder.Path);
        using ImageDisk disk = new(new ImageChain([Driver.Open(files.Source(Image, writable), new ImageOpenOptions(writable, snapshot))], writable));
        action(disk);
        if (writable)
        {
            disk.Close();
        }
    }

    private static void WithSnapshots(ScratchFolder folder, Action<ISnapshotImage> action) =>
        With(folder, writable: true, disk => action((ISnapshotImage)disk.Chain.Images[0]));

    private static void RequireContent(ImageDisk disk, byte[] content)
    {
        byte[] read = new byte[disk.Length];
        disk.Read(0, read);
        Assert.That(read.AsSpan().CommonPrefixLength(content), Is.EqualTo(content.Length));
    }

    private static void RequireSound(ScratchFolder folder, byte[] content)
    {
        With(folder, writable: false, disk =>
        {
            CheckReport report = disk.Chain.Check();
            Assert.That(report.Errors.Concat(report.Leaks), Is.Empty);
            RequireContent(disk, content);
        });
        File.WriteAllBytes(folder.File("expected"), content);
        Qemu.Check(folder.Path, "qcow2", Image, leaks: false);
        Qemu.Compare(folder.Path, "qcow2", Image, "expected");
    }

    /// <summary>An image that holds a pattern everywhere.</summary>
    private static MemoryFiles MemoryImage(string settings, byte[] content)
    {
        new Random(3).NextBytes(content);
        MemoryFiles files = new();
        using ImageDisk disk = new(new ImageChain([Driver.Create(files.New(Image), new ImageCreateOptions(DiskBytes, null, Settings(settings)))], true));
        disk.Write(0, content);
        disk.Close();
        return files;
    }

    /// <summary>An image with subclusters whose first cluster has to move before it is written.</summary>
    /// <param name="compressed">It is compressed; else a snapshot shares it.</param>
    /// <param name="content">Becomes what the disk reads.</param>
    private static MemoryFiles MovingImage(bool compressed, byte[] content)
    {
        const string Extended = "cluster_size=16K,extended_l2=on";
        MemoryFiles files = new();
        if (!compressed)
        {
            files = MemoryImage(Extended, content).Reopened();
            using ISnapshotImage image = (ISnapshotImage)Driver.Open(files.Source(Image), new ImageOpenOptions(Writable: true));
            image.TakeSnapshot("s");
            image.Close();
            return files;
        }
        using IPackingImage packing = (IPackingImage)Driver.Create(files.New(Image), new ImageCreateOptions(DiskBytes, null, Settings(Extended)));
        new Random(3).NextBytes(content.AsSpan(0, 3000));
        Assert.That(packing.TryWritePacked(0, content.AsSpan(0, packing.PackBytes)), Is.True);
        packing.Close();
        return files;
    }

    private static ImageDisk OpenMemory(MemoryFiles files, bool writable) =>
        new(new ImageChain([Driver.Open(files.Source(Image, writable), new ImageOpenOptions(writable))], writable));

    private static Qcow2Header Header(MemoryFiles files) => Qcow2Header.Read(files.Bytes(Image));

    private static ulong FirstTable(MemoryFiles files) => WordAt(files, Header(files).L1Offset) & Qcow2Layout.OffsetMask;

    private static void ChangeFirstEntry(MemoryFiles files, Func<ulong, ulong> change)
    {
        ulong at = FirstTable(files);
        ulong entry = change(WordAt(files, at));
        files.Source(Image).File.WriteAt(Words(1, _ => entry), (long)at);
    }

    private static ulong WordAt(MemoryFiles files, ulong at) =>
        System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(files.Bytes(Image).AsSpan((int)at));

    private static void ZeroRefcountsBehind(MemoryFiles files, int clusters)
    {
        Qcow2Header header = Header(files);
        byte[] entry = new byte[8];
        files.Source(Image).File.Uncached.ReadAt(entry, (long)header.RefcountTableOffset);
        long block = (long)System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(entry);
        files.Source(Image).File.WriteAt(new byte[512 - (clusters * 2)], block + (clusters * 2));
    }

    private static void RequireClean(MemoryFiles files, byte[] content)
    {
        using ImageDisk disk = OpenMemory(files.Reopened(), writable: false);
        CheckReport report = disk.Chain.Check();
        Assert.That(report.Errors.Concat(report.Leaks), Is.Empty);
        RequireContent(disk, content);
    }
}
