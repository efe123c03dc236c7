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

    private static IDiskImage Open(HoledFile file, bool writable = false) => Giant.Open(new VhdDriver(), file, writable);
}
