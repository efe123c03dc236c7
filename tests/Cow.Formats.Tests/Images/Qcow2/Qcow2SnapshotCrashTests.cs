// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>Power fails while a snapshot is taken, deleted or applied: the disk and every snapshot that is listed afterwards read as they should.</summary>
[TestFixture]
internal sealed class Qcow2SnapshotCrashTests
{
    private const string Image = "image";
    private const string Kept = "kept";
    private const string Other = "other";
    private const int DiskBytes = 256 << 10;

    /// <summary>Subsets of what was not flushed that are tried at each point.</summary>
    private const int Subsets = 4;

    private static readonly Qcow2Driver Driver = new();

    [Test]
    public void TakingOne([Values("cluster_size=512", "cluster_size=4K", "cluster_size=16K,extended_l2=on")] string settings) =>
        CutEverywhere(settings, image => image.TakeSnapshot(Other), contentAfter: 2, listedAfter: [Kept, Other]);

    [Test]
    public void DeletingOne([Values("cluster_size=512", "cluster_size=4K", "cluster_size=16K,extended_l2=on")] string settings) =>
        CutEverywhere(settings, image => image.DeleteSnapshot(Kept), contentAfter: 2, listedAfter: []);

    [Test]
    public void ApplyingOne([Values("cluster_size=512", "cluster_size=4K", "cluster_size=16K,extended_l2=on")] string settings) =>
        CutEverywhere(settings, image => image.ApplySnapshot(Kept), contentAfter: 1, listedAfter: [Kept]);

    /// <summary>Version 2 has no dirty bit, so whoever comes next writes without a repair: no snapshot changes by it.</summary>
    [TestCase("cluster_size=512")]
    [TestCase("cluster_size=4K")]
    public void WritingAfterOneWasAppliedInVersion2(string settings)
    {
        byte[] before = MakeImage($"compat=0.10,{settings}");
        SetCopiedInSnapshot(before);
        WriteAfterEveryCut(before, image => image.ApplySnapshot(Kept));
    }

    [TestCase("cluster_size=512")]
    [TestCase("cluster_size=4K")]
    public void WritingAfterOneWasTakenOrDeletedInVersion2(string settings)
    {
        byte[] before = MakeImage($"compat=0.10,{settings}");
        SetCopiedInSnapshot(before);
        WriteAfterEveryCut(before, image => image.TakeSnapshot(Other));
        WriteAfterEveryCut(before, image => image.DeleteSnapshot(Kept));
    }

    /// <summary>Whoever finds one counted twice may think that its other owner is gone.</summary>
    [Test]
    public void NoCutLeavesCopiedWithACountAboveOneInVersion2()
    {
        CrashMedium medium = Change(MakeImage("compat=0.10,cluster_size=4K"), image => image.TakeSnapshot(Other));
        for (int position = 0; position <= medium.Position; position++)
        {
            using ImageDisk disk = Open(medium.CutPower(position, new Random(position)), writable: false);
            Assert.That(disk.Chain.Check().Errors.Where(e => e.EndsWith("is 2", StringComparison.Ordinal)), Is.Empty, $"power cut at {position}");
        }
    }

    /// <summary>Every change to the file fails from one on. What is read is what was there before, until the image is opened again.</summary>
    [Test]
    public void TheDiskStaysAsItWasWhereApplyingFails([Values("compat=0.10,cluster_size=4K", "cluster_size=4K")] string settings)
    {
        byte[] before = MakeImage(settings);
        bool failed = true;
        for (int failing = 1; failed; failing++)
        {
            FailingFile file = new(before);
            MemoryFiles files = new();
            files.Add(Image, file);
            using ImageDisk disk = Open(files, writable: true);
            file.ChangesLeft = failing;
            try
            {
                ((ISnapshotImage)disk.Chain.Images[0]).ApplySnapshot(Kept);
                failed = false;
            }
            catch (IOException)
            {
                Assert.That(ReadAll(disk).AsSpan().SequenceEqual(Content(2)), $"change {failing} failed");
            }
        }
    }

    private static void WriteAfterEveryCut(byte[] before, Action<ISnapshotImage> change)
    {
        CrashMedium medium = Change(before, change);
        for (int position = 0; position <= medium.Position; position++)
        {
            for (int subset = 0; subset < Subsets; subset++)
            {
                MemoryFiles left = medium.CutPower(position, new Random((position * Subsets) + subset));
                using (ImageDisk disk = Open(left, writable: true))
                {
                    disk.Write(0, Content(3));
                    disk.Close();
                }
                string what = $"power cut at {position} of {medium.Position}, subset {subset}";
                using ImageDisk again = Open(left.Reopened(), writable: false);
                Assert.That(ReadAll(again).AsSpan().SequenceEqual(Content(3)), what);
                RequireSnapshots(left, again, what);
            }
        }
    }

    private static void RequireSnapshots(MemoryFiles left, ImageDisk disk, string what)
    {
        foreach (string name in disk.Chain.Images[0].Info.Snapshots.Select(s => s.Name))
        {
            using ImageDisk snapshot = Open(left.Reopened(), writable: false, name);
            Assert.That(ReadAll(snapshot).AsSpan().SequenceEqual(Content(name == Kept ? 1UL : 2UL)), $"{what}, snapshot {name}");
        }
    }

    private static CrashMedium Change(byte[] before, Action<ISnapshotImage> change)
    {
        CrashMedium medium = new();
        MemoryFiles files = new();
        files.Add(Image, medium.Add(Image, new MemoryImageFile(before, Image)));
        using ISnapshotImage image = (ISnapshotImage)Driver.Open(files.Source(Image), new ImageOpenOptions(Writable: true));
        change(image);
        return medium;
    }

    /// <summary>As QEMU leaves the tables of a snapshot whose clusters no other state refers to any more.</summary>
    private static void SetCopiedInSnapshot(byte[] image)
    {
        MemoryFiles files = new();
        files.Put(Image, image);
        Qcow2Store store = new(files.Source(Image), writable: false);
        SnapshotEntry snapshot = store.Snapshots.Entries[0];
        int set = 0;
        for (uint slot = 0; slot < snapshot.L1Entries; slot++)
        {
            ulong table = store.File.Read64(snapshot.L1Offset + (slot * 8UL)) & Qcow2Layout.OffsetMask;
            for (ulong at = table; table != 0 && at < table + store.Layout.ClusterBytes; at += 8)
            {
                ulong entry = store.File.Read64(at);
                if (entry != 0 && store.Refcounts.Get(entry >> store.Layout.ClusterBits) == 1)
                {
                    WriteUInt64BigEndian(image.AsSpan((int)at), entry | Qcow2Layout.Copied);
                    set++;
                }
            }
        }
        Assert.That(set, Is.Positive);
    }

    /// <summary>The disk has version 2 before, and the snapshot <see cref="Kept"/> version 1.</summary>
    private static void CutEverywhere(string settings, Action<ISnapshotImage> change, ulong contentAfter, string[] listedAfter)
    {
        byte[] before = MakeImage(settings);
        CrashMedium medium = Change(before, change);
        for (int position = 0; position <= medium.Position; position++)
        {
            for (int subset = 0; subset < Subsets; subset++)
            {
                Random random = new((position * Subsets) + subset);
                string what = $"{settings}, power cut at {position} of {medium.Position}, subset {subset}";
                bool done = RequireWhole(medium.CutPower(position, random), contentAfter, listedAfter, what);
                Assert.That(done || position < medium.Position, what);
            }
        }
    }

    /// <returns>Whether the change has happened.</returns>
    private static bool RequireWhole(MemoryFiles left, ulong contentAfter, string[] listedAfter, string what)
    {
        using (ImageDisk disk = Open(left, writable: true))
        {
            Assert.That(disk.Chain.Check().Errors, Is.Empty, what);
            disk.Close();
        }
        using ImageDisk again = Open(left.Reopened(), writable: false);
        Assert.That(again.Chain.Check().Errors, Is.Empty, what);
        string[] listed = [.. again.Chain.Images[0].Info.Snapshots.Select(snapshot => snapshot.Name)];
        Assert.That(listed, Is.EqualTo(listedAfter).Or.EqualTo((string[])[Kept]), what);
        byte[] content = ReadAll(again);
        bool old = content.AsSpan().SequenceEqual(Content(2));
        Assert.That(old || content.AsSpan().SequenceEqual(Content(contentAfter)), what);
        RequireSnapshots(left, again, what);
        return listed.SequenceEqual(listedAfter) && (contentAfter == 2 || !old);
    }

    private static byte[] MakeImage(string settings)
    {
        MemoryFiles files = new();
        Dictionary<string, string> all = settings.Split(',').Select(s => s.Split('=')).ToDictionary(s => s[0], s => s[1]);
        using (ImageDisk disk = new(ImageStack.Create(files.New(Image), Driver, new ImageCreateOptions(DiskBytes, null, all))))
        {
            disk.Write(0, Content(1));
            disk.Flush();
            ((ISnapshotImage)disk.Chain.Images[0]).TakeSnapshot(Kept);
            // All but one stretch, which disk and snapshot go on sharing.
            disk.Write(0, Content(2).AsSpan(0, DiskBytes / 2));
            disk.Close();
        }
        return files.Bytes(Image);
    }

    /// <summary>The first half differs from version to version; of the second there is only one.</summary>
    private static byte[] Content(ulong version)
    {
        byte[] content = new byte[DiskBytes];
        for (int at = 0; at < DiskBytes; at += 512)
        {
            Stamp.Of((ulong)at / 512, at < DiskBytes / 2 ? version : 1).CopyTo(content, at);
        }
        return content;
    }

    private static ImageDisk Open(MemoryFiles files, bool writable, string? snapshot = null) =>
        new(ImageStack.Open(files.Source(Image, writable), new ImageStackOptions(writable, "qcow2") { Snapshot = snapshot }));

    private static byte[] ReadAll(ImageDisk disk)
    {
        byte[] content = new byte[disk.Length];
        disk.Read(0, content);
        return content;
    }

    /// <summary>Reads go on when changes begin to fail.</summary>
    private sealed class FailingFile(byte[] bytes) : IImageFile
    {
        private readonly MemoryImageFile _file = new(bytes, Image);

        public int ChangesLeft { get; set; } = int.MaxValue;

        public string Name => _file.Name;

        public long Length => _file.Length;

        public bool CanGrow => true;

        public void SetLength(long bytes)
        {
            Change();
            _file.SetLength(bytes);
        }

        public long NextData(long offset) => _file.NextData(offset);

        public void ReadAt(Span<byte> buffer, long offset) => _file.ReadAt(buffer, offset);

        public void WriteAt(ReadOnlySpan<byte> data, long offset)
        {
            Change();
            _file.WriteAt(data, offset);
        }

        public void Flush() => Change();

        public void Dispose() => _file.Dispose();

        private void Change()
        {
            if (ChangesLeft-- <= 0)
            {
                throw new IOException("fails by intent");
            }
        }
    }
}
