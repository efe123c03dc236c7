// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhd;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>The check finds each defect that is planted, and what must be refused is.</summary>
[TestFixture]
internal sealed class VhdDefectTests
{
    private const int TableAt = 1536;
    private const int BlockBytes = 64 << 10;
    private const ulong DiskBytes = 1 << 20;

    [Test]
    public void ASoundImageIsCalledSound() => Assert.That(Check(NewImage()).Clean, Is.True);

    [TestCase(0, 70, "the footer's copy", TestName = "The copy at 0 is damaged")]
    [TestCase(-512, 70, "the footer at byte", TestName = "The footer at the end is damaged")]
    [TestCase(512, 100, "checksum", TestName = "The header is damaged")]
    public void ABrokenChecksumIsFound(int from, int at, string sentence)
    {
        byte[] image = NewImage();
        image[(from < 0 ? image.Length : 0) + from + at] ^= 1;
        Assert.That(CheckOfSpoilt(image).Errors, Has.Some.Contains(sentence));
    }

    [TestCase(3u, "beside the table")]
    [TestCase(0u, "beside the footer's copy")]
    [TestCase(1u, "beside the header")]
    [TestCase(0x7fff_ffffu, "inside the file")]
    public void ABlockAtTheWrongPlaceIsFound(uint sector, string sentence)
    {
        byte[] image = NewImage();
        WriteUInt32BigEndian(image.AsSpan(TableAt), sector);
        Assert.That(CheckOfSpoilt(image).Errors, Has.Some.Contains(sentence));
        Assert.That(() => Open(image, writable: true), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void BlocksOverEachOtherAreFound()
    {
        byte[] image = NewImage();
        uint first = ReadUInt32BigEndian(image.AsSpan(TableAt));
        WriteUInt32BigEndian(image.AsSpan(TableAt + 4), first + 8);
        Assert.That(CheckOfSpoilt(image).Errors, Has.Some.Contains("lies over the one"));
        Assert.That(() => Open(image, writable: true), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("beside each other"));
    }

    [Test]
    public void ABlockOverTheFooterIsFound()
    {
        byte[] image = NewImage();
        uint last = ReadUInt32BigEndian(image.AsSpan(TableAt + 4));
        WriteUInt32BigEndian(image.AsSpan(TableAt + 4), last + 4);
        Assert.That(CheckOfSpoilt(image).Errors, Has.Some.Contains("where the footer is"));
        Assert.That(() => Open(image, writable: true), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void SpaceThatBelongsToNoBlockIsALeak()
    {
        byte[] image = NewImage();
        WriteUInt32BigEndian(image.AsSpan(TableAt), uint.MaxValue);
        Assert.That(CheckOfSpoilt(image).Leaks, Is.Not.Empty);
    }

    [Test]
    public void AFooterThatIsMissingIsMadeAgainByClosing()
    {
        byte[] image = NewImage();
        Array.Clear(image, image.Length - 512, 512);
        Assert.That(CheckOfSpoilt(image).Leaks, Has.Some.Contains("not closed"));
        MemoryFiles files = new();
        files.Put("a", image);
        using (ImageChain chain = ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: true)))
        {
            chain.Close();
        }
        Assert.That(Check(files.Bytes("a")).Clean, Is.True);
    }

    /// <summary>A footer is moved before the table names what lies before it. A gap that takes no block is nothing lost.</summary>
    [TestCase(BlockBytes + 512, 0)]
    [TestCase(2 * BlockBytes, 0)]
    [TestCase(BlockBytes, BlockBytes)]
    public void SpaceBeforeTheFooterIsGivenBackByClosing(int more, int left)
    {
        byte[] sound = NewImage();
        byte[] image = [.. sound[..^512], .. new byte[more], .. sound[^512..]];
        Assert.That(Check(image).Leaks, Has.Count.EqualTo(left == 0 ? 1 : 0));
        MemoryFiles files = new();
        files.Put("a", image);
        using (ImageChain chain = ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: true)))
        {
            chain.Close();
        }
        Assert.That(files.Bytes("a"), Has.Length.EqualTo(sound.Length + left));
        Assert.That(Check(files.Bytes("a")).Clean, Is.True);
    }

    /// <summary>Another reader may take the disk to be larger. Entries too many that name none are common.</summary>
    [TestCase(uint.MaxValue, true)]
    [TestCase(0u, true)]
    [TestCase(400u, false)]
    public void SpaceThatATableHasBehindTheDiskIsKept(uint entry, bool cut)
    {
        byte[] sound = NewImage();
        byte[] image = WithEntryBehindTheDisk([.. sound[..^512], .. new byte[2 * BlockBytes], .. sound[^512..]], entry);
        Assert.That(Check(image).Leaks, Has.Count.EqualTo(cut ? 1 : 0));
        MemoryFiles files = new();
        files.Put("a", image);
        using (ImageChain chain = ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: true)))
        {
            chain.Close();
        }
        Assert.That(files.Bytes("a"), Has.Length.EqualTo(cut ? sound.Length : image.Length));
    }

    /// <summary>A disk that was made smaller: blocks were placed in any order.</summary>
    [Test]
    public void ABlockBehindTheDiskAmongOthersIsNoLeak()
    {
        byte[] image = NewImage();
        uint first = ReadUInt32BigEndian(image.AsSpan(TableAt));
        WriteUInt32BigEndian(image.AsSpan(TableAt), uint.MaxValue);
        Assert.That(Check(WithEntryBehindTheDisk(image, uint.MaxValue)).Leaks, Is.Not.Empty);
        Assert.That(Check(WithEntryBehindTheDisk(image, first)).Clean, Is.True);
    }

    /// <summary>What lies there may not be zeros, which is what QEMU must read where nothing was written.</summary>
    [Test]
    public void SpaceBeforeTheFooterIsNotTakenAgain()
    {
        byte[] sound = NewImage();
        byte[] lost = new byte[2 * BlockBytes];
        Array.Fill(lost, (byte)0x55);
        MemoryFiles files = new();
        files.Put("a", [.. sound[..^512], .. lost, .. sound[^512..]]);
        using ImageDisk disk = new(ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: true)));
        Place place = disk.Chain.Allocate(new ChunkRun(2 * BlockBytes / 512 / disk.Chain.Info.ChunkSectors, 1)).Placed.Place;
        Assert.That(place.Sector * 512, Is.GreaterThanOrEqualTo((ulong)(sound.Length + lost.Length)));
        disk.Write(2 * BlockBytes, new byte[512]);
        disk.Close();
        Assert.That(Check(files.Bytes("a")).Errors, Is.Empty);
    }

    [Test]
    public void AFooterOf511BytesIsRead()
    {
        byte[] image = NewImage()[..^1];
        Array.Clear(image, 0, 512);
        using ImageChain chain = Open(image, writable: false);
        Assert.That(chain.Info.VirtualSize, Is.EqualTo(DiskBytes));
    }

    [Test]
    public void AnImageWhoseJournalMustBePlayedBackIsRefused()
    {
        byte[] image = NewImage();
        "v_poison"u8.CopyTo(image);
        "v_poison"u8.CopyTo(image.AsSpan(image.Length - 512));
        Assert.That(() => Open(image, writable: false), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("journal"));
    }

    /// <summary>tapdisk 0.1 had the bits of a byte the other way round.</summary>
    [Test]
    public void TheFirstTapdiskHadItsBitsTheOtherWayRound()
    {
        byte[] image = NewImage();
        foreach (int footer in (int[])[0, image.Length - 512])
        {
            "tap\0"u8.CopyTo(image.AsSpan(footer + 28));
            WriteUInt32BigEndian(image.AsSpan(footer + 32), 1);
        }
        long bitmap = ReadUInt32BigEndian(image.AsSpan(TableAt)) * 512L;
        image[bitmap] = 0x02;
        image[bitmap + 1] = 0;
        MemoryImageFile file = new(image);
        VhdSums.Fix(file);
        using ImageChain chain = Open(file.ToArray(), writable: false);
        IDiskImage disk = chain.Images[0];
        Assert.That(disk.Lookup(0, 512).Kind, Is.EqualTo(ImageExtentKind.Below));
        Assert.That(disk.Lookup(512, 4096), Is.EqualTo(new ImageExtent(512, ImageExtentKind.Data, 0, bitmap + 1024)));
    }

    /// <summary>Blocks 0 and 1 are there.</summary>
    private static byte[] NewImage()
    {
        MemoryFiles files = new();
        ImageCreateOptions options = new(DiskBytes, null, new Dictionary<string, string> { ["block_size"] = $"{BlockBytes}" });
        using ImageDisk disk = new(ImageStack.Create(files.New("a"), new VhdDriver(), options));
        disk.Write(0, new byte[BlockBytes + 512]);
        disk.Close();
        return files.Bytes("a");
    }

    /// <summary>The table has one entry more than the disk has blocks.</summary>
    private static byte[] WithEntryBehindTheDisk(byte[] image, uint entry)
    {
        int blocks = (int)DiskBytes / BlockBytes;
        MemoryImageFile file = new(image);
        byte[] word = new byte[4];
        WriteUInt32BigEndian(word, (uint)blocks + 1);
        file.WriteAt(word, 512 + 28);
        WriteUInt32BigEndian(word, entry);
        file.WriteAt(word, TableAt + (4 * blocks));
        VhdSums.Fix(file);
        return file.ToArray();
    }

    private static ImageChain Open(byte[] image, bool writable)
    {
        MemoryFiles files = new();
        files.Put("a", image);
        return ImageStack.Open(files.Source("a"), new ImageStackOptions(writable));
    }

    private static CheckReport Check(byte[] image)
    {
        using ImageChain chain = Open(image, writable: false);
        return chain.Check();
    }

    /// <summary>What the check says of an image that became bad after it was opened: as a good one it opens.</summary>
    private static CheckReport CheckOfSpoilt(byte[] image)
    {
        MemoryFiles files = new();
        files.Put("a", NewImage());
        using ImageChain chain = ImageStack.Open(files.Source("a"), new ImageStackOptions(Writable: false));
        files.Source("a").File.WriteAt(image, 0);
        return chain.Check();
    }
}
