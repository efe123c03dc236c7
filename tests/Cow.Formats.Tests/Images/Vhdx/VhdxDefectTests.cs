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
        MemoryFiles files = new();
        using (ImageDisk disk = New(files))
        {
            disk.Write(0, new byte[4096]);
            disk.Flush();
        }
        byte[] image = files.Bytes("a");
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
