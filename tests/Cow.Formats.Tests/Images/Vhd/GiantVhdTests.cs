// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhd;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>Files that are nearly all hole: what is read of them, and remembered, follows what is really there.</summary>
[TestFixture]
internal sealed class GiantVhdTests
{
    private const int Sector = 512;
    private const int TableAt = 1536;

    [Test]
    public void ABlockFarOutTakesLittleMemory([Values] bool writable)
    {
        const long Length = 1L << 38;
        const uint BlockBytes = 4096;
        const long Place = Length - Sector - BlockBytes - Sector;
        using HoledFile file = Vhd(Length, BlockBytes, [Place]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckReport report = Open(file, writable).Check();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(report.Errors, Is.Empty);
        Assert.That(report.Leaks, Is.EqualTo(writable ? Array.Empty<string>() : [$"{Place - 2048} bytes in the file belong to no block"]));
    }

    /// <summary>Blocks far from each other, in no order; those whose bitmaps are there are among them.</summary>
    [Test]
    public void BitmapsInHolesAreNotRead()
    {
        const int Blocks = 20_000;
        const int Present = 200;
        const uint BlockBytes = 4 << 20;
        long[] places = [.. Enumerable.Range(1, Blocks).Select(i => i * 2L * BlockBytes)];
        new Random(1).Shuffle(places);
        using HoledFile file = Vhd((Blocks + 1) * 2L * BlockBytes, BlockBytes, places);
        for (int block = 0; block < Present; block++)
        {
            // The last sector of each.
            file.WriteAt([1], places[block * (Blocks / Present)] + (BlockBytes / Sector / 8) - 1);
        }
        IDiskImage image = Open(file);
        Assert.That(image.Check().PlacedChunks, Is.Zero);
        Assert.That(file.Asked, Is.LessThan(4 * Present), "asked in the order of the file");
        int found = 0;
        for (ulong at = 0; at < image.Info.VirtualBytes;)
        {
            ImageExtent extent = image.Lookup(at, image.Info.VirtualBytes - at);
            found += extent.Kind == ImageExtentKind.Data && extent.Length == Sector ? 1 : 0;
            at += extent.Length;
        }
        Assert.That(found, Is.EqualTo(Present));
        Assert.That(file.BytesRead, Is.LessThan(1 << 20).And.LessThan(3 * ((Blocks * 4) + (Present * 4096))));
    }

    [Test]
    public void ABlockThatManyEntriesNameIsCountedOnce()
    {
        const uint BlockBytes = 256 << 20;
        using HoledFile file = Vhd(1 << 30, BlockBytes, [.. Enumerable.Repeat(4L << 20, 400)]);
        file.WriteAt(Enumerable.Repeat(byte.MaxValue, 65536).ToArray(), 4 << 20);
        CheckReport report = Open(file).Check();
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((399, BlockBytes / 65536UL)));
    }

    /// <summary>Whose bits are one page, so that the disk has as many extents as there are entries for it.</summary>
    [TestCase(0)]
    [TestCase(Sector)]
    [TestCase(-Sector)]
    public void BlocksOverEachOtherAreNotGoneThrough(long apart)
    {
        const uint BlockBytes = 2 << 20;
        using HoledFile file = Vhd(1 << 30, BlockBytes, [8 << 20, 4 << 20, (4 << 20) + apart]);
        file.WriteAt(Enumerable.Repeat((byte)0x55, 3 * Sector).ToArray(), (4 << 20) - Sector);
        IDiskImage image = Open(file);
        Assert.That(image.Lookup(0, BlockBytes).Kind, Is.EqualTo(ImageExtentKind.Below));
        Assert.That(() => image.Lookup(BlockBytes, BlockBytes), Throws.Nothing);
        Assert.That(() => image.Lookup(BlockBytes + Sector, Sector), Throws.Nothing);
        Assert.That(() => image.Lookup(2 * BlockBytes, BlockBytes), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>Its 32 MiB would be kept for each image of a chain. What is there of it counts.</summary>
    [Test]
    public void ABatmapInAHoleIsNotKept()
    {
        const long Place = (4L << 30) - (4 * Sector);
        using HoledFile file = Xen(Place + (64 * Sector), 1 << 28, fullBlock: 5);
        SetPlace(file, 5, Place);
        long before = GC.GetAllocatedBytesForCurrentThread();
        IDiskImage image = Open(file);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(image.Lookup(5 * 4096, 4096), Is.EqualTo(new ImageExtent(4096, ImageExtentKind.Data, 0, Place + Sector)));
        Assert.That(file.BytesRead, Is.LessThan(1 << 20));
    }

    /// <summary>A block of which the map says that it is full, and the table that it is nowhere; the map is in a hole but for that.</summary>
    [Test]
    public void ABatmapThatNamesAnAbsentBlockIsCleared()
    {
        const int Blocks = 100_000;
        const int Full = 70_000;
        using HoledFile file = Xen(1 << 30, Blocks, Full);
        file.WriteAt(Enumerable.Repeat(byte.MaxValue, Blocks * 4).ToArray(), TableAt);
        Assert.That(Open(file).Check().Errors, Is.EqualTo(new[] { $"the batmap calls block {Full} full, which has no place" }));
        Open(file, writable: true).Close();
        Assert.That(Open(file).Check().Errors, Is.Empty);
    }

    /// <summary>Xen makes tables for a larger disk to come, and its map for all of the table: blocks that the disk has not are there in none of them.</summary>
    [Test]
    public void ABatmapIsAsLongAsTheTable()
    {
        const int Blocks = 64;
        const int Entries = 100_000;
        const long Place = 1 << 20;
        using HoledFile file = Xen(1 << 30, Blocks, 5, entries: Entries);
        file.WriteAt(Enumerable.Repeat(byte.MaxValue, Entries * 4).ToArray(), TableAt);
        SetPlace(file, 5, Place);
        IDiskImage image = Open(file);
        Assert.That(image.Check().Errors, Has.None.Contains("batmap header"));
        Assert.That(image.Lookup(5 * 4096, 4096), Is.EqualTo(new ImageExtent(4096, ImageExtentKind.Data, 0, Place + Sector)), "the map says so");
    }

    /// <summary>A map with a wrong sum, which is not used, is no place for a block all the same. One of a wrong length may be anywhere, and costs nobody the disk.</summary>
    [Test]
    public void NothingIsPutOverABatmapThatIsNotUsed()
    {
        using HoledFile file = Xen(1 << 20, 64, 5);
        long headerAt = TableAt + Sector;
        byte[] changed = [0, 0, 0, 100];
        file.WriteAt(changed, headerAt + 24);
        file.WriteAt(Enumerable.Repeat(byte.MaxValue, 64 * 4).ToArray(), TableAt);
        SetPlace(file, 5, headerAt + 4096);
        Assert.That(() => Open(file, writable: true), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("the batmap"));
        file.WriteAt(changed, headerAt + 16);
        Assert.That(Open(file).Lookup((5 * 4096) + (5 * Sector), Sector).Kind, Is.EqualTo(ImageExtentKind.Data), "the block's own bitmap says so");
    }

    /// <summary>Version 1.1 adds its bytes up as signed ones.</summary>
    [TestCase(0x10001u, -128, true)]
    [TestCase(0x10001u, 128, false)]
    [TestCase(0x10002u, -128, false)]
    [TestCase(0x10002u, 128, true)]
    public void TheSumOfABatmapIsThatOfItsVersion(uint version, int sum, bool right)
    {
        using HoledFile file = Xen(1 << 30, 64, 8);
        byte[] words = new byte[8];
        WriteUInt32BigEndian(words, version);
        WriteInt32BigEndian(words.AsSpan(4), ~sum);
        file.WriteAt(words, TableAt + Sector + 20);
        Assert.That(Open(file).Check().Errors, right ? Has.None.Contains("checksum") : Has.Some.Contains("checksum"));
    }

    /// <summary>Its table is to reach beyond what numbers can say.</summary>
    [Test]
    public void AFileTooLongToBeTrueIsRefused([Values] bool writable)
    {
        const long Length = long.MaxValue - 4095;
        using HoledFile file = new(Length);
        file.WriteAt(VhdFooter.Make(VhdType.Dynamic, 4096, 512, DateTime.UnixEpoch.AddYears(50), Guid.NewGuid()).Raw, 0);
        file.WriteAt(VhdHeader.Make(Length - 4096, uint.MaxValue, 4096, null), 512);
        Assert.That(() => Open(file, writable), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>A dynamic disk as long as its blocks, of which each has a place.</summary>
    private static HoledFile Vhd(long length, uint blockBytes, long[] places)
    {
        HoledFile file = new(length);
        ulong disk = (ulong)places.Length * blockBytes;
        ReadOnlySpan<byte> footer = VhdFooter.Make(VhdType.Dynamic, disk, 512, DateTime.UnixEpoch.AddYears(50), Guid.NewGuid()).Raw;
        file.WriteAt(footer, 0);
        file.WriteAt(VhdHeader.Make(TableAt, (uint)places.Length, blockBytes, null), 512);
        byte[] table = new byte[places.Length * 4];
        for (int i = 0; i < places.Length; i++)
        {
            WriteUInt32BigEndian(table.AsSpan(i * 4), (uint)(places[i] / Sector));
        }
        file.WriteAt(table, TableAt);
        file.WriteAt(footer, length - VhdFooter.Bytes);
        return file;
    }

    /// <summary>A dynamic disk of Xen in blocks of 4096 bytes, with a batmap that calls one of them full. Its table is zeros.</summary>
    private static HoledFile Xen(long length, uint blocks, uint fullBlock, uint entries = 0)
    {
        entries = Math.Max(entries, blocks);
        HoledFile file = new(length);
        byte[] footer = VhdFooter.Make(VhdType.Dynamic, blocks * 4096UL, 512, DateTime.UnixEpoch.AddYears(50), Guid.NewGuid()).Raw.ToArray();
        "tap\0\0\x01\0\x03"u8.CopyTo(footer.AsSpan(28));
        file.WriteAt(footer, 0);
        file.WriteAt(footer, length - VhdFooter.Bytes);
        file.WriteAt(VhdHeader.Make(TableAt, entries, 4096, null), 512);
        VhdSums.Fix(file);
        long headerAt = TableAt + VhdLayout.AlignUp(entries * 4L, Sector);
        byte bits = (byte)(0x80 >> (int)(fullBlock % 8));
        byte[] header = new byte[Sector];
        "tdbatmap"u8.CopyTo(header);
        WriteUInt64BigEndian(header.AsSpan(8), (ulong)headerAt + 4096);
        WriteUInt32BigEndian(header.AsSpan(16), (uint)(VhdLayout.AlignUp(entries / 8, Sector) / Sector));
        WriteUInt32BigEndian(header.AsSpan(24), ~(uint)bits);
        file.WriteAt(header, headerAt);
        file.WriteAt([bits], headerAt + 4096 + (fullBlock / 8));
        return file;
    }

    private static void SetPlace(HoledFile file, int block, long place)
    {
        byte[] entry = new byte[4];
        WriteUInt32BigEndian(entry, (uint)(place / Sector));
        file.WriteAt(entry, TableAt + (block * 4));
    }

    private static IDiskImage Open(HoledFile file, bool writable = false) => Giant.Open(new VhdDriver(), file, writable);
}
