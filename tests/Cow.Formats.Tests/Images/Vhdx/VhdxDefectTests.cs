// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhdx;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhdx;

/// <summary>The check finds each defect that is planted, and what must be refused is.</summary>
[TestFixture]
internal sealed class VhdxDefectTests
{
    private const int TableAt = 3 << 20;
    private const ulong DiskBytes = 4 << 20;

    [Test]
    public void ASoundImageIsCalledSound()
    {
        MemoryFiles files = new();
        files.Put("a", NewImage());
        using ImageChain chain = ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: false));
        Assert.That(chain.Check().Clean, Is.True);
    }

    [TestCase(64 << 10, "one of the two headers")]
    [TestCase(128 << 10, "one of the two headers")]
    [TestCase(192 << 10, "the region table")]
    [TestCase(256 << 10, "the region table")]
    public void ADamagedCopyIsFound(int at, string sentence)
    {
        byte[] image = NewImage();
        image[at + 40] ^= 1;
        CheckReport report = CheckOfSpoilt(image);
        Assert.That(report.Errors.Concat(report.Leaks), Has.Some.Contains(sentence));
    }

    [TestCase(0x0000_0000_0000_0005UL, "a state of a block", TestName = "A state that is none")]
    [TestCase(0x0000_0000_0040_0016UL, "a state of a block", TestName = "Reserved bits")]
    [TestCase(0x0000_0000_0040_0007UL, "a state of a block", TestName = "Partial without a parent")]
    [TestCase(0x0000_0000_0000_0006UL, "the headers", TestName = "A block over the headers")]
    [TestCase(0x0000_0000_0010_0006UL, "the log", TestName = "A block over the log")]
    [TestCase(0x0000_0000_0020_0006UL, "the metadata", TestName = "A block over the metadata")]
    [TestCase(0x0000_0000_0030_0006UL, "the table", TestName = "A block over the table")]
    [TestCase(0x7fff_ffff_fff0_0006UL, "inside the file", TestName = "A block behind the end")]
    [TestCase(0xffff_ffff_fff0_0006UL, "inside the file", TestName = "A block far behind the end")]
    public void ABadEntryIsFound(ulong entry, string sentence)
    {
        byte[] image = NewImage();
        WriteUInt64LittleEndian(image.AsSpan(TableAt), entry);
        Assert.That(CheckOfSpoilt(image).Errors, Has.Some.Contains(sentence));
        Assert.That(() => Open(image, writable: true), Throws.InstanceOf<ImageFormatException>().With.Message.Contains(sentence));
    }

    [Test]
    public void BlocksOverEachOtherAreFound()
    {
        byte[] image = NewImage();
        image.AsSpan(TableAt, 8).CopyTo(image.AsSpan(TableAt + 8));
        Assert.That(CheckOfSpoilt(image).Errors, Has.Some.Contains("lies over"));
        Assert.That(() => Open(image, writable: true), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("beside each other"));
    }

    [Test]
    public void SpaceThatBelongsToNothingIsALeak()
    {
        byte[] image = NewImage();
        WriteUInt64LittleEndian(image.AsSpan(TableAt + 8), 0);
        Assert.That(CheckOfSpoilt(image).Leaks, Has.Some.Contains("belong to nothing"));
    }

    /// <summary>The first block in the file, or all of them.</summary>
    [TestCase(8, 1 << 20)]
    [TestCase(16, 2 << 20)]
    public void SpaceBeforeTheFirstBlockThatIsLeftIsALeak(int lostBytes, int leaked)
    {
        byte[] image = NewImage();
        image.AsSpan(TableAt, lostBytes).Clear();
        Assert.That(CheckOfSpoilt(image).Leaks, Is.EqualTo(new[] { $"{leaked} bytes in the file belong to nothing" }));
    }

    [Test]
    public void ARepairCutsSpaceOfWhichNoBlockIsLeft()
    {
        byte[] image = NewImage();
        image.AsSpan(TableAt, 16).Clear();
        MemoryFiles files = new();
        files.Put("a", image);
        Repair(files);
        Assert.That(CheckOf(files.Reopened()).Clean, Is.True);
        Assert.That(files.Bytes("a"), Has.Length.EqualTo(TableAt + (1 << 20)));
    }

    /// <summary>4 MiB, behind which its first block is: with blocks of 1 MiB that could be blocks that were lost.</summary>
    [TestCase(0, 0)]
    [TestCase(1 << 20, 1)]
    public void TheRoomThatQemuLeavesIsNoLeak(int more, int leaks)
    {
        MemoryFiles files = new();
        using (ImageDisk disk = New(files))
        {
            disk.Close();
        }
        byte[] image = files.Bytes("a");
        Array.Resize(ref image, image.Length + (4 << 20) + more);
        MemoryFiles roomy = new();
        roomy.Put("a", image);
        Assert.That(CheckOf(roomy).Leaks, Has.Count.EqualTo(leaks));
    }

    /// <summary>Its table names no block, and a block that is written comes to lie behind the room of all of them.</summary>
    [Test]
    public void AFixedImageOfQemuIsClean()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "vhdx", "-o", "subformat=fixed,block_size=1M", "a", $"{4 << 20}");
        MemoryFiles files = new();
        files.Put("a", File.ReadAllBytes(folder.File("a")));
        Assert.That(CheckOf(files).Clean, Is.True);
        Qemu.Io(folder.Path, "vhdx", "a", ["write -q -P 1 2M 4096"]);
        files.Put("a", File.ReadAllBytes(folder.File("a")));
        Assert.That(CheckOf(files).Clean, Is.True);
    }

    /// <summary>What was committed is in the log before it is in its place: read-only the log is laid over, writable it is played back.</summary>
    [Test]
    public void AnImageThatWasNotClosedIsReadThroughItsLog()
    {
        MemoryFiles files = new();
        byte[] data = new byte[4096];
        data.AsSpan().Fill(0x77);
        using (ImageDisk disk = New(files))
        {
            disk.Write(0, data);
            disk.Flush();
        }
        byte[] image = files.Bytes("a");
        // The crash came before the page was in its place.
        Array.Clear(image, TableAt, 4096);
        byte[] read = new byte[4096];
        foreach (bool writable in (bool[])[false, true])
        {
            using ImageChain chain = Open([.. image], writable);
            chain.ReadAt(0, read);
            Assert.That(read, Is.EqualTo(data));
            Assert.That(chain.Check().Errors, Is.Empty);
        }
    }

    [Test]
    public void ALogWithoutAnyWholeEntryIsRefused()
    {
        byte[] image = NotClosed();
        image[(1 << 20) + 100] ^= 1;
        Assert.That(() => Open(image, writable: false), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("no whole sequence"));
    }

    [Test]
    public void OpeningForWritingChangesWhatChildrenNameTheImageBy()
    {
        MemoryFiles files = new();
        files.Put("a", NewImage());
        string? first;
        using (ImageChain chain = ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: true)))
        {
            first = chain.Images[0].Info.Identity;
            chain.Close();
        }
        using ImageChain again = ImageStack.Open(files.Reopened().Source("a"), new ImageStackOptions(Writable: false));
        Assert.That(again.Images[0].Info.Identity, Is.Not.EqualTo(first));
    }

    /// <summary>The file was made longer, or a header was damaged, or the log was not played back: what the disk reads stays, and so what children name
    /// it by. The other id, of the file, changes.</summary>
    [TestCase(8 << 20, -1, false)]
    [TestCase(0, 64 << 10, false)]
    [TestCase(0, 128 << 10, false)]
    [TestCase(0, -1, true)]
    public void ARepairKeepsWhatChildrenNameTheImageBy(int more, int damaged, bool unclosed)
    {
        byte[] image = unclosed ? NotClosed() : NewImage();
        int length = image.Length;
        Array.Resize(ref image, length + more);
        image[Math.Max(0, damaged + 40)] ^= damaged < 0 ? (byte)0 : (byte)1;
        MemoryFiles files = new();
        files.Put("a", image);
        VhdxHeader before = VhdxHeaders.Read(files.Source("a").File).Current;
        Repair(files);
        Assert.That(CheckOf(files.Reopened()).Clean, Is.True);
        VhdxHeaders after = VhdxHeaders.Read(files.Reopened().Source("a").File);
        Assert.That(after.Current.DataWriteId, Is.EqualTo(before.DataWriteId));
        Assert.That(after.Current.FileWriteId, Is.Not.EqualTo(before.FileWriteId));
        Assert.That((after.BothGood, after.Current.LogId), Is.EqualTo((true, Guid.Empty)));
        Assert.That(files.Bytes("a"), Has.Length.EqualTo(length));
    }

    /// <summary>A block that lost its entry lies between others: no record says that it is free.</summary>
    [TestCase(0)]
    [TestCase(8)]
    public void ARepairThatCannotCureWritesNothing(int lostBytes)
    {
        byte[] image = NewImage();
        image.AsSpan(TableAt, lostBytes).Clear();
        MemoryImageFile file = new(image, "a");
        Repair(new MemoryFiles().Add("a", file));
        Assert.That(file.ToArray(), Is.EqualTo(image));
    }

    /// <summary>The log wraps around; sequence, tail and space are right through many commits.</summary>
    [Test]
    public void ManyCommitsGoThroughTheLog()
    {
        MemoryFiles files = new();
        byte[] sector = new byte[512];
        using (ImageDisk disk = New(files, 160UL << 20))
        {
            for (int i = 0; i < 160; i++)
            {
                WriteInt32LittleEndian(sector, i);
                disk.Write((ulong)i << 20, sector);
                disk.Flush();
            }
        }
        using ImageChain chain = ImageStack.Open(files.Reopened().Source("a"), new ImageStackOptions(Writable: false));
        for (int i = 0; i < 160; i++)
        {
            chain.ReadAt((ulong)i << 20, sector);
            Assert.That(ReadInt32LittleEndian(sector), Is.EqualTo(i));
        }
    }

    private static byte[] NewImage()
    {
        MemoryFiles files = new();
        using ImageDisk disk = New(files);
        disk.Write(0, new byte[512]);
        disk.Write(1 << 20, new byte[512]);
        disk.Close();
        return files.Bytes("a");
    }

    private static byte[] NotClosed()
    {
        MemoryFiles files = new();
        using ImageDisk disk = New(files);
        disk.Write(0, new byte[4096]);
        disk.Flush();
        return files.Bytes("a");
    }

    private static void Repair(MemoryFiles files)
    {
        using IDiskImage image = new VhdxDriver().Open(files.Source("a"), new ImageOpenOptions(true) { ForRepair = true });
        image.Close();
    }

    private static CheckReport CheckOf(MemoryFiles files)
    {
        using IDiskImage image = new VhdxDriver().Open(files.Source("a"), new ImageOpenOptions(false));
        return image.Check();
    }

    private static ImageDisk New(MemoryFiles files, ulong bytes = DiskBytes) =>
        new(ImageStack.Create(files.New("a"), new VhdxDriver(), new ImageCreateOptions(bytes, null, new Dictionary<string, string> { ["block_size"] = "1M" })));

    private static ImageChain Open(byte[] image, bool writable)
    {
        MemoryFiles files = new();
        files.Put("a", image);
        return ImageStack.Open(files.Source("a"), new ImageStackOptions(writable));
    }

    private static CheckReport CheckOfSpoilt(byte[] image)
    {
        MemoryFiles files = new();
        files.Put("a", NewImage());
        using ImageChain chain = ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: false));
        files.Source("a").File.WriteAt(image, 0);
        return chain.Check();
    }
}
