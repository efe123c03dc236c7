// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhdx;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhdx;

/// <summary>Files that are nearly all hole: what is read of them, and remembered, follows what is really there.</summary>
[TestFixture]
internal sealed class GiantVhdxTests
{
    private const long Megabyte = VhdxFormat.Megabyte;
    private const uint SmallBlock = 1 << 20;
    private const uint LargeBlock = 256 << 20;
    private const long TableAt = 3 * Megabyte;

    private static readonly Guid LogId = new("00112233-4455-6677-8899-aabbccddeeff");

    [Test]
    public void ABlockFarOutTakesLittleMemory()
    {
        const long Length = 1L << 50;
        using HoledFile file = Vhdx(Length, 2 * SmallBlock, SmallBlock, child: false);
        SetEntry(file, 0, VhdxState.Full, 32 * Megabyte);
        SetEntry(file, 1, VhdxState.Full, Length - Megabyte);
        IDiskImage image = Open(file);
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckReport report = image.Check();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 << 20));
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((0, 32UL)));
        // Not the headers and regions in 4 MiB, QEMU's room behind them, and two blocks.
        Assert.That(report.Leaks, Is.EqualTo(new[] { $"{Length - (10 * Megabyte)} bytes in the file belong to nothing" }));
    }

    [Test]
    public void AFileTooLongToBeTrueIsRefused([Values] bool writable)
    {
        using HoledFile file = Vhdx(long.MaxValue - 4095, SmallBlock, SmallBlock, child: false);
        Assert.That(() => Open(file, writable).Check(), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>The whole table is in a hole, but for an entry near its end.</summary>
    [Test]
    public void ATableInAHoleIsNotRead([Values] bool writable)
    {
        const ulong DiskBytes = 16UL << 40;
        const ulong Block = (DiskBytes / SmallBlock) - 5000;
        using HoledFile file = Vhdx(1 << 30, DiskBytes, SmallBlock, child: false);
        SetEntry(file, Block + (Block / 4096), VhdxState.Full, 512 * Megabyte);
        using IDiskImage image = Open(file, writable);
        Assert.That(file.BytesRead, Is.LessThan(32 << 20), "128 MiB of table");
        if (writable)
        {
            return;
        }
        CheckReport report = image.Check();
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((0, 16UL)));
        Assert.That(Extents(image), Is.EqualTo(new[] { (Block * SmallBlock, new ImageExtent(SmallBlock, ImageExtentKind.Data, 0, 512 * Megabyte)) }));
        Assert.That(file.BytesRead, Is.LessThan(64 << 20));
    }

    /// <summary>It comes in the middle of a hole that would be skipped.</summary>
    [Test]
    public void ABlockThatOnlyTheLogNamesIsFound()
    {
        const ulong Block = 3000;
        using HoledFile file = Vhdx(256 * Megabyte, 16UL << 30, SmallBlock, child: false);
        byte[] page = new byte[VhdxFormat.Page];
        WriteUInt64LittleEndian(page.AsSpan((int)(Block * 8 % VhdxFormat.Page)), new VhdxEntry(VhdxState.Full, 64 * Megabyte).Raw);
        Log(file, TableAt + (long)(Block * 8 / VhdxFormat.Page * VhdxFormat.Page), page);
        IDiskImage image = Open(file);
        Assert.That(image.Check().PlacedChunks, Is.EqualTo(16));
        Assert.That(Extents(image), Is.EqualTo(new[] { (Block * SmallBlock, new ImageExtent(SmallBlock, ImageExtentKind.Data, 0, 64 * Megabyte)) }));
    }

    /// <summary>Its 64 MiB would be taken for each image of a chain. One entry is there, written just now, and one whose rest is a hole.</summary>
    [Test]
    public void ALogInAHoleIsNeitherReadNorKept()
    {
        const long LogAt = 128 * Megabyte;
        using HoledFile file = Vhdx(256 * Megabyte, SmallBlock, SmallBlock, child: false);
        SetEntry(file, 0, VhdxState.Full, 64 * Megabyte);
        Log(file, TableAt, VhdxFormat.Page);
        byte[] entry = new byte[VhdxFormat.Page];
        file.ReadAt(entry, Megabyte);
        file.WriteAt(entry, LogAt);
        WriteUInt32LittleEndian(entry.AsSpan(8), 32 << 20);
        file.WriteAt(entry, LogAt + (4 * Megabyte));
        VhdxHeader header = VhdxHeader.Make(Guid.NewGuid(), Guid.NewGuid(), 64 << 20, LogAt).With(Guid.NewGuid(), Guid.NewGuid(), LogId);
        file.WriteAt(header.Raw, VhdxFormat.HeadersAt[0]);
        file.Hide();
        long before = GC.GetAllocatedBytesForCurrentThread();
        IDiskImage image = Open(file);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(image.Lookup(0, SmallBlock), Is.EqualTo(new ImageExtent(SmallBlock, ImageExtentKind.Below)), "the log says so");
        Assert.That(file.BytesRead, Is.LessThan(4 << 20));
    }

    /// <summary>What the log zeroes was written by somebody who was killed, just now.</summary>
    [Test]
    public void ReplayZeroesWhatIsNotYetDurable()
    {
        using HoledFile file = Vhdx(256 * Megabyte, SmallBlock, SmallBlock, child: false);
        SetEntry(file, 0, VhdxState.Full, 64 * Megabyte);
        file.WriteAt([0xff], 64 * Megabyte);
        Log(file, 64 * Megabyte, VhdxFormat.Page);
        file.Hide();
        using IDiskImage image = Open(file, writable: true);
        byte[] found = new byte[1];
        file.ReadAt(found, 64 * Megabyte);
        Assert.That(found, Is.EqualTo(new byte[1]));
    }

    /// <summary>Bits of one block are there, unless the log zeroes them.</summary>
    [Test]
    public void BitsInHolesAreNotRead([Values] bool zeroed)
    {
        const int Blocks = 1600;
        const long BitmapsAt = 64 * Megabyte;
        const long BlocksAt = 1024 * Megabyte;
        const long Bits = BitmapsAt + (60 * Megabyte) + (3 * 65536);
        using HoledFile file = Vhdx(BlocksAt + (Blocks * (long)LargeBlock), Blocks * (ulong)LargeBlock, LargeBlock, child: true);
        for (int block = 0; block < Blocks; block++)
        {
            SetEntry(file, (ulong)(block + (block / 16)), VhdxState.Partial, BlocksAt + (block * (long)LargeBlock));
        }
        for (int bitmap = 0; bitmap < Blocks / 16; bitmap++)
        {
            SetEntry(file, (ulong)((bitmap * 17) + 16), VhdxState.Full, BitmapsAt + (bitmap * Megabyte));
        }
        file.WriteAt([0xff], Bits + 40_000);
        if (zeroed)
        {
            Log(file, BitmapsAt, 100 * Megabyte);
        }
        IDiskImage image = Open(file);
        CheckReport report = image.Check();
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((0, zeroed ? 0UL : 1UL)));
        const int There = (60 * 16) + 3;
        (ulong, ImageExtent)[] expected = [((There * (ulong)LargeBlock) + (40_000 * 4096UL), new ImageExtent(4096, ImageExtentKind.Data, 0, BlocksAt + (There * (long)LargeBlock) + (40_000 * 4096L)))];
        Assert.That(Extents(image), Is.EqualTo(zeroed ? [] : expected));
        Assert.That(file.BytesRead, Is.LessThan(8 << 20));
    }

    /// <summary>Of a partial block of which nothing is there: a table may name a million of them.</summary>
    [Test]
    public void TheBitsOfABlockAreOneAnswer()
    {
        const long Bits = 64 * Megabyte;
        using HoledFile file = Vhdx(1L << 30, 2 * (ulong)LargeBlock, LargeBlock, child: true);
        SetEntry(file, 0, VhdxState.Partial, 128 * Megabyte);
        SetEntry(file, 1, VhdxState.Partial, 512 * Megabyte);
        SetEntry(file, 16, VhdxState.Full, Bits);
        file.WriteAt(new byte[65536], Bits);
        file.WriteAt(Enumerable.Repeat(byte.MaxValue, 65536).ToArray(), Bits + 65536);
        file.WriteAt([0xf0], Bits + 40_000);
        IDiskImage image = Open(file);
        const ulong First = (40_000 * 4096UL) + 2048;
        Assert.That(image.Lookup(0, ulong.MaxValue), Is.EqualTo(new ImageExtent(First, ImageExtentKind.Below)));
        Assert.That(image.Lookup(First, ulong.MaxValue), Is.EqualTo(new ImageExtent(2048, ImageExtentKind.Data, 0, (128 * Megabyte) + (long)First)));
        Assert.That(image.Lookup(First + 2048, ulong.MaxValue), Is.EqualTo(new ImageExtent(LargeBlock - First - 2048, ImageExtentKind.Below)));
        Assert.That(image.Lookup(LargeBlock + 1024, ulong.MaxValue), Is.EqualTo(new ImageExtent(LargeBlock - 1024, ImageExtentKind.Data, 0, (512 * Megabyte) + 1024)));
    }

    [Test]
    public void BitsOfBitmapsOverEachOtherAreNotCounted()
    {
        const int Blocks = 16 * 100;
        using HoledFile file = Vhdx(1L << 40, Blocks * (ulong)LargeBlock, LargeBlock, child: true);
        for (int block = 0; block < Blocks; block++)
        {
            SetEntry(file, (ulong)(block + (block / 16)), VhdxState.Partial, (block + 1) * (long)LargeBlock);
        }
        for (int bitmap = 0; bitmap < Blocks / 16; bitmap++)
        {
            SetEntry(file, (ulong)((bitmap * 17) + 16), VhdxState.Full, 64 * Megabyte);
        }
        file.WriteAt([0xff], 64 * Megabyte);
        CheckReport report = Open(file).Check();
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo(((Blocks / 16) - 1, 1UL)));
        file.WriteAt([0xff], (64 * Megabyte) + 65536);
        IDiskImage image = Open(file);
        Assert.That(() => image.Lookup(0, LargeBlock), Throws.Nothing);
        Assert.That(() => image.Lookup(17 * (ulong)LargeBlock, LargeBlock), Throws.InstanceOf<ImageFormatException>(), "nor gone through, in another part");
    }

    /// <summary>Of a table larger than the cache each page is read once to find the bitmaps, however many pages of them the log changes.</summary>
    [Test]
    public void ALogThatZeroesBitmapsOpensAtOnce()
    {
        const ulong DiskBytes = 4UL << 40;
        using HoledFile file = Vhdx(256 * Megabyte, DiskBytes, SmallBlock, child: true);
        for (int bitmap = 0; bitmap < 8; bitmap++)
        {
            SetEntry(file, ((1024 - 8 + (ulong)bitmap) * 4097) + 4096, VhdxState.Full, (100 + bitmap) * Megabyte);
        }
        Log(file, 100 * Megabyte, 8 * Megabyte);
        Open(file);
        Assert.That(file.BytesRead, Is.LessThan(16 << 20));
    }

    [TestCase(99 * Megabyte, 2 * Megabyte, 99 * Megabyte)]
    [TestCase(100 * Megabyte, 2 * Megabyte, 101 * Megabyte)]
    public void ALogThatZeroesPayloadIsRefusedReadOnly(long at, long bytes, long page)
    {
        using HoledFile file = Vhdx(256 * Megabyte, 1UL << 32, SmallBlock, child: true);
        SetEntry(file, 4096, VhdxState.Full, 100 * Megabyte);
        Log(file, at, bytes);
        Assert.That(() => Open(file), Throws.InstanceOf<ImageFormatException>().With.Property("Offset").EqualTo(page));
    }

    /// <summary>A page that is there becomes zeros, holes stay holes.</summary>
    [Test]
    public void ALogThatZeroesHolesWritesNothingThere()
    {
        using HoledFile file = Vhdx(400 * Megabyte, SmallBlock, SmallBlock, child: false);
        file.WriteAt([1], 300 * Megabyte);
        Log(file, 64 * Megabyte, 256 * Megabyte);
        Open(file, writable: true);
        byte[] page = new byte[4096];
        file.ReadAt(page, 300 * Megabyte);
        Assert.That(page, Is.All.Zero);
        Assert.That(file.NextData(64 * Megabyte), Is.EqualTo(300 * Megabyte));
        Assert.That(file.NextData((300 * Megabyte) + 4096), Is.EqualTo(file.Length));
    }

    /// <summary>What an image has of its disk.</summary>
    private static List<(ulong Offset, ImageExtent Extent)> Extents(IDiskImage image)
    {
        List<(ulong, ImageExtent)> extents = [];
        for (ulong at = 0; at < image.Info.VirtualBytes;)
        {
            ImageExtent extent = image.Lookup(at, image.Info.VirtualBytes - at);
            if (extent.Kind == ImageExtentKind.Data)
            {
                extents.Add((at, extent));
            }
            at += extent.Length;
        }
        return extents;
    }

    /// <summary>Headers, a log of a megabyte, metadata, and a table of zeros.</summary>
    private static HoledFile Vhdx(long length, ulong diskBytes, uint blockBytes, bool child)
    {
        HoledFile file = new(length);
        file.WriteAt(VhdxFormat.FileMagic, 0);
        VhdxHeader header = VhdxHeader.Make(Guid.NewGuid(), Guid.NewGuid(), (uint)Megabyte, Megabyte);
        VhdxRange metadata = new(2 * Megabyte, TableAt, "the metadata");
        // An entry for each block, and some for bitmaps.
        long tableBytes = VhdxFormat.AlignUp((long)(diskBytes / blockBytes * 9), Megabyte);
        byte[] regions = VhdxRegions.Make(new VhdxRange(TableAt, TableAt + tableBytes, "the table"), metadata);
        for (int copy = 0; copy < 2; copy++)
        {
            file.WriteAt(header.Raw, VhdxFormat.HeadersAt[copy]);
            file.WriteAt(regions, VhdxFormat.RegionTablesAt[copy]);
        }
        file.WriteAt(VhdxMetadata.Make(blockBytes, false, diskBytes, child ? VhdxParentLocator.Make(Guid.NewGuid(), "base") : null), metadata.Start);
        return file;
    }

    private static void SetEntry(HoledFile file, ulong index, VhdxState state, long place)
    {
        byte[] entry = new byte[8];
        WriteUInt64LittleEndian(entry, new VhdxEntry(state, place).Raw);
        file.WriteAt(entry, TableAt + (long)(index * 8));
    }

    /// <summary>Makes the log say that some bytes are zeros.</summary>
    private static void Log(HoledFile file, long at, long bytes)
    {
        byte[] descriptor = new byte[32];
        "zero"u8.CopyTo(descriptor);
        WriteUInt64LittleEndian(descriptor.AsSpan(8), (ulong)bytes);
        WriteLog(file, descriptor, at, []);
    }

    /// <summary>Makes the log say what a page is.</summary>
    private static void Log(HoledFile file, long at, byte[] page)
    {
        byte[] descriptor = new byte[32];
        "desc"u8.CopyTo(descriptor);
        page.AsSpan(^4..).CopyTo(descriptor.AsSpan(4));
        page.AsSpan(..8).CopyTo(descriptor.AsSpan(8));
        byte[] sector = [.. page];
        "data\0\0\0\0"u8.CopyTo(sector);
        WriteUInt32LittleEndian(sector.AsSpan(^4..), 1);
        WriteLog(file, descriptor, at, sector);
    }

    /// <summary>An entry of one descriptor and its data, if any, with sequence number 1.</summary>
    private static void WriteLog(HoledFile file, byte[] descriptor, long at, byte[] data)
    {
        byte[] entry = [.. new byte[VhdxFormat.Page], .. data];
        "loge"u8.CopyTo(entry);
        WriteUInt32LittleEndian(entry.AsSpan(8), (uint)entry.Length);
        WriteUInt64LittleEndian(entry.AsSpan(16), 1);
        WriteUInt32LittleEndian(entry.AsSpan(24), 1);
        LogId.TryWriteBytes(entry.AsSpan(32));
        WriteUInt64LittleEndian(entry.AsSpan(48), (ulong)file.Length);
        WriteUInt64LittleEndian(entry.AsSpan(56), (ulong)file.Length);
        descriptor.CopyTo(entry.AsSpan(64));
        WriteUInt64LittleEndian(entry.AsSpan(80), (ulong)at);
        WriteUInt64LittleEndian(entry.AsSpan(88), 1);
        WriteUInt32LittleEndian(entry.AsSpan(4), Crc32C.OfStructure(entry));
        file.WriteAt(entry, Megabyte);
        VhdxHeader header = VhdxHeader.Make(Guid.NewGuid(), Guid.NewGuid(), (uint)Megabyte, Megabyte).With(Guid.NewGuid(), Guid.NewGuid(), LogId);
        file.WriteAt(header.Raw, VhdxFormat.HeadersAt[0]);
    }

    private static IDiskImage Open(HoledFile file, bool writable = false) => Giant.Open(new VhdxDriver(), file, writable);
}
