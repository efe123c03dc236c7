// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;
using Cow.Formats.Images;
using Cow.Formats.Images.Codecs;
using Cow.Formats.Images.Vmdk;
using static System.Buffers.Binary.BinaryPrimitives;
using static Cow.Formats.Tests.Images.Giant;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>Images of terabytes in files that are nearly all hole: what is read of them, and remembered, follows what is really there.</summary>
[TestFixture]
internal sealed class GiantVmdkTests
{
    /// <summary>2^20 grain tables of 16 KiB, as many as a COWD can have.</summary>
    [Test]
    public void GrainTablesInHolesAreNotRead()
    {
        using HoledFile file = Cowd(1 << 20);
        IDiskImage image = Open(new VmdkDriver(), file);
        Assert.That(image.Check().Errors, Is.Empty);
        Assert.That(FirstExtent(image), Is.EqualTo(image.Info.VirtualBytes));
        // A table for each answer.
        Assert.That(file.BytesRead, Is.LessThan((1L << 34) / 100));
    }

    [Test]
    public void AGrainTableAmongHolesIsRead()
    {
        using HoledFile file = Cowd(1000);
        // One grain, behind everything else, in table 700; and an entry of table 800 that cannot be.
        long end = file.Length;
        file.SetLength(end + 512);
        Put(file, TableAt(700) + 40, end / 512);
        Put(file, 28, (end / 512) + 1);
        IDiskImage image = Open(new VmdkDriver(), file);
        CheckReport report = image.Check();
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((0, 1UL)));
        Assert.That(FirstExtent(image), Is.EqualTo(((700UL * 4096) + 10) * 512));
        Assert.That(image.Lookup(((700 * 4096) + 10) * 512, 4096), Is.EqualTo(new ImageExtent(512, ImageExtentKind.Data, 0, end)));
        Put(file, TableAt(800) + 4000, 1 << 30);
        Assert.That(Open(new VmdkDriver(), file).Check().Errors, Has.Count.EqualTo(1));
    }

    /// <summary>Half of them in each directory, and one more.</summary>
    [Test]
    public void MoreTablesThanFitMemoryWithTheirCopiesAreRefused()
    {
        const int Tables = (2 << 20) + 1;
        const long Directory = 1 << 20;
        const long Mirror = 32 << 20;
        using HoledFile file = new(64 << 20);
        HostedFlags flags = HostedFlags.NewLines | HostedFlags.Mirror;
        WriteHeader(file, new HostedHeader(1, flags, Tables * 512UL * 128, 128, 0, 0, 512, Mirror / 512, Directory / 512, 128, 0, 0));
        byte[] directory = new byte[Tables * 4];
        for (int i = 0; i < Tables; i++)
        {
            WriteUInt32LittleEndian(directory.AsSpan(i * 4), 120_000);
        }
        file.WriteAt(directory, Directory);
        file.WriteAt(directory, Mirror);
        Assert.That(() => Open(new VmdkDriver(), file), Throws.InstanceOf<ImageFormatException>().With.Property("Expected").Contains("tables at most"));
    }

    /// <summary>As many tables as there may be, each for a grain of a sector; but one in each directory, which are not equal.</summary>
    [Test]
    public void HolesInDirectoriesOfGrainTablesAreSkipped()
    {
        const long Tables = 32 << 20;
        const long Directory = 1 << 20;
        const long Mirror = Directory + (Tables * 4);
        const long End = Mirror + (Tables * 4);
        using HoledFile file = new(End + 1024);
        WriteHeader(file, new HostedHeader(1, HostedFlags.NewLines | HostedFlags.Mirror, (ulong)Tables, 1, 0, 0, 1, Mirror / 512, Directory / 512, 128, 0, 0));
        Put(file, Directory + (4 * 20_000_000), End / 512);
        Put(file, Mirror + (4 * 30_000_000), (End / 512) + 1);
        IDiskImage image = Open(new VmdkDriver(), file);
        IReadOnlyList<string> errors = image.Check().Errors;
        Assert.That(errors, Has.Count.EqualTo(2));
        Assert.That(errors[0], Does.EndWith("grain table 20000000 has no redundant copy"));
        Assert.That(errors[1], Does.EndWith("grain table 30000000 has a redundant copy only"));
        Assert.That(FirstExtent(image), Is.EqualTo(image.Info.VirtualBytes));
        Assert.That(file.BytesRead, Is.LessThan(1 << 20));
    }

    /// <summary>Packed grains of 16 MiB, at places that are all hole but for their markers.</summary>
    [TestCase(HostedFlags.NewLines)]
    [TestCase(HostedFlags.Markers)]
    public void PackedGrainsInHolesAreNotRead(HostedFlags flags)
    {
        const int Grains = 400;
        const int GrainBytes = 16 << 20;
        using HoledFile file = Packed(flags, Grains, GrainBytes);
        for (int i = 0; i < Grains && flags == HostedFlags.Markers; i++)
        {
            file.WriteAt(Marker(i * (GrainBytes / 512), 2 * GrainBytes), PackedAt(i, GrainBytes));
        }
        Assert.That(Open(new VmdkDriver(), file).Check().Errors, Has.Count.EqualTo(Grains));
        Assert.That(file.BytesRead, Is.LessThan(Grains * 65536 * 2));
    }

    /// <summary>One of random bytes, and one of zeros, stored: all but the headers of its blocks may have become holes when the image was copied.</summary>
    [Test]
    public void APackedGrainIsReadToItsEndAndOverSmallHoles()
    {
        const int GrainBytes = 1 << 20;
        const int BlockBytes = 65535;
        using HoledFile file = Packed(HostedFlags.NewLines, 2, GrainBytes);
        byte[] random = new byte[GrainBytes];
        new Random(1).NextBytes(random);
        byte[] packed = new byte[Zlib.MostPackedBytes(GrainBytes)];
        file.WriteAt(packed.AsSpan(0, Zlib.Pack(random, packed)), PackedAt(0, GrainBytes));
        long at = PackedAt(1, GrainBytes);
        file.WriteAt([0x78, 0x01], at);
        at += 2;
        int left = GrainBytes;
        for (int count = 20_000; left > 0; count = Math.Min(left, BlockBytes))
        {
            left -= count;
            file.WriteAt([left > 0 ? (byte)0 : (byte)1, (byte)(count & 255), (byte)(count >> 8), (byte)(~count & 255), (byte)((~count >> 8) & 255)], at);
            at += 5 + count;
        }
        // The checksum of a MiB of zeros (RFC 1950, section 2.2): it is read modulo 65521.
        file.WriteAt([0, GrainBytes % 65521, 0, 1], at);
        IDiskImage image = Open(new VmdkDriver(), file);
        Assert.That(image.Check().Clean, Is.True);
        byte[] data = new byte[GrainBytes];
        image.ReadPacked(0, data);
        Assert.That(data.AsSpan().SequenceEqual(random), Is.True);
        image.ReadPacked(GrainBytes, data);
        Assert.That(data, Has.None.Not.Zero);
    }

    /// <summary>Each has a grain of megabytes, of which a part is read.</summary>
    [Test]
    public void ManyExtentsKeepOneUnpackedGrain()
    {
        const int Extents = 20;
        const int GrainBytes = 4 << 20;
        byte[] packed = new byte[Zlib.MostPackedBytes(GrainBytes)];
        int length = Zlib.Pack(new byte[GrainBytes], packed);
        MemoryFiles files = new();
        StringBuilder text = new("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentSparse\"\n");
        for (int i = 0; i < Extents; i++)
        {
            HoledFile extent = Packed(HostedFlags.NewLines, 1, GrainBytes);
            extent.WriteAt(packed.AsSpan(0, length), PackedAt(0, GrainBytes));
            files.Add($"extent{i}", extent);
            text.Append(CultureInfo.InvariantCulture, $"RDONLY {GrainBytes / 512} SPARSE \"extent{i}\"\n");
        }
        files.Put("image", Encoding.ASCII.GetBytes(text.ToString()));
        using ImageChain chain = ImageStack.Open(files.Source("image", writable: false), new ImageStackOptions());
        byte[] sector = new byte[512];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Extents; i++)
        {
            chain.ReadAt((ulong)(i * GrainBytes), sector);
        }
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(3 * GrainBytes));
    }

    /// <summary>Files of 2^62 bytes, which together have more than there are numbers for.</summary>
    [Test]
    public void ExtentsInFilesTooLongToAddUpAreRead()
    {
        MemoryFiles files = new();
        foreach (string name in (string[])["a", "b"])
        {
            HoledFile extent = new(1L << 62);
            WriteHeader(extent, new HostedHeader(1, HostedFlags.NewLines, 65536, 128, 0, 0, 512, 0, 8, 128, 0, 0));
            files.Add(name, extent);
        }
        files.Put("image", "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentSparse\"\nRW 65536 SPARSE \"a\"\nRW 65536 SPARSE \"b\"\n"u8.ToArray());
        using ImageChain chain = ImageStack.Open(files.Source("image", writable: false), new ImageStackOptions());
        Assert.That(chain.Images[0].Usage.UsedBytes, Is.EqualTo(long.MaxValue));
    }

    /// <summary>A thousand tables in holes lack their copies after a crash, and one in which there is a grain.</summary>
    [Test]
    public void MissingCopiesOfTablesAreAddedTogetherAndTakeNoMoreThanTheTables()
    {
        const int Tables = 1000;
        const long Directory = 16384;
        const long Mirror = 32768;
        using HoledFile file = new(1 << 22);
        HostedFlags flags = HostedFlags.NewLines | HostedFlags.Mirror;
        WriteWithDescriptor(file, new HostedHeader(1, flags, Tables * 512UL * 128, 128, 1, 4, 512, Mirror / 512, Directory / 512, 128, 1, 0));
        for (int i = 0; i < Tables; i++)
        {
            Put(file, Directory + (i * 4), 128 + (i * 4));
        }
        Put(file, ((128 + (700 * 4)) * 512) + 20, 5 * 128 * 8);
        file.WriteAt([1], 5 * 128 * 8 * 512);
        file.BytesWritten = 0;
        // Not closed: a crash again.
        Open(new VmdkDriver(), file, writable: true).Dispose();
        Assert.That(file.BytesWritten, Is.LessThan(Tables * 16));
        Assert.That(file.Flushes, Is.LessThan(12));
        CheckReport report = Open(new VmdkDriver(), file).Check();
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((0, 1UL)));
    }

    /// <summary>One has room for all, and one for the first of two.</summary>
    [TestCase(1L << 62)]
    [TestCase((1L << 41) - (2 * 65536))]
    public void ACopyOfATableThatNoEntryCouldNameIsNotAdded(long length)
    {
        using HoledFile file = new(length);
        HostedFlags flags = HostedFlags.NewLines | HostedFlags.Mirror;
        WriteWithDescriptor(file, new HostedHeader(1, flags, 2 * 65536, 128, 1, 4, 512, 9, 8, 128, 1, 0));
        Put(file, 4096, 128);
        Put(file, 4100, 132);
        file.BytesWritten = 0;
        Assert.That(() => Open(new VmdkDriver(), file, writable: true), Throws.InstanceOf<ImageFormatException>());
        Assert.That((file.BytesWritten, file.Length), Is.EqualTo((0L, length)));
    }

    /// <summary>Grains at the end of the file, mostly holes, go to where nothing is named, which is mostly hole too.</summary>
    [Test]
    public void WhatFillsHolesOfTheFileIsNotWrittenOut()
    {
        const int Grains = 10;
        const int GrainBytes = 16 << 20;
        const ulong Sectors = GrainBytes / 512;
        using HoledFile file = new(((2L * Grains) + 1) * GrainBytes);
        WriteWithDescriptor(file, new HostedHeader(1, HostedFlags.NewLines, Grains * Sectors, Sectors, 1, 4, 512, 0, 32, 128, 1, 0));
        Put(file, 16384, 40);
        Random random = new(1);
        for (int i = 0; i < Grains; i++)
        {
            Put(file, 20480 + (i * 4), (Grains + 1 + i) * (long)Sectors);
        }
        for (int i = 0; i < 200; i++)
        {
            file.WriteAt([(byte)random.Next(1, 256)], GrainBytes + random.NextInt64(2L * Grains * GrainBytes));
        }
        byte[][] before = [.. Enumerable.Range(0, Grains).Select(i => Grain(file, i))];
        file.BytesWritten = 0;
        using (IDiskImage image = Open(new VmdkDriver(), file, writable: true))
        {
            image.Close();
        }
        Assert.That(file.BytesWritten, Is.LessThan(200 * 65536 * 2));
        Assert.That(file.Length, Is.EqualTo((Grains + 1) * GrainBytes));
        for (int i = 0; i < Grains; i++)
        {
            Assert.That(Grain(file, i).AsSpan().SequenceEqual(before[i]), Is.True, $"grain {i}");
        }

        static byte[] Grain(HoledFile file, int grain)
        {
            byte[] bytes = new byte[GrainBytes];
            file.ReadAt(bytes, Open(new VmdkDriver(), file).Lookup((ulong)grain * GrainBytes, GrainBytes).Offset);
            return bytes;
        }
    }

    /// <summary>Tables and their copies, or a table and its grains, that lie in no order and have gaps between them: what names them is written by
    /// sectors, not once for each.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void WhatIsMovedIsNamedInTheOrderOfItsEntries(bool tables)
    {
        const int Pieces = 512;
        const int Gap = 256;
        const int Directory = 32;
        const uint Mirror = 40;
        int[] places = [.. Enumerable.Range(1, 2 * Pieces).Select(i => i * Gap)];
        new Random(1).Shuffle(places);
        using HoledFile file = new(((2 * Pieces) + 2) * Gap * 512);
        HostedFlags flags = HostedFlags.NewLines | (tables ? HostedFlags.Mirror : 0);
        ulong grains = (ulong)(tables ? Pieces * 512 : Pieces);
        WriteWithDescriptor(file, new HostedHeader(1, flags, grains * 128, 128, 1, 4, 512, tables ? Mirror : 0, Directory, 128, 1, 0));
        for (int i = 0; i < Pieces; i++)
        {
            Put(file, ((tables ? Directory : places[Pieces]) * 512L) + (i * 4), places[i]);
            Put(file, ((tables ? Mirror : Directory) * 512) + (tables ? i * 4 : 0), places[Pieces + (tables ? i : 0)]);
        }
        file.BytesWritten = 0;
        using (IDiskImage image = Open(new VmdkDriver(), file, writable: true))
        {
            image.Close();
        }
        Assert.That(file.BytesWritten, Is.LessThan(Pieces * 32));
        Assert.That(file.Length, Is.LessThanOrEqualTo(((tables ? 2 * Pieces : Pieces) + 2) * 65536));
        CheckReport report = Open(new VmdkDriver(), file).Check();
        Assert.That((report.Errors.Count, report.PlacedChunks), Is.EqualTo((0, tables ? 0UL : Pieces)));
    }

    /// <summary>Where it does not count, the header may say anything of it.</summary>
    [TestCase(HostedFlags.NewLines, 0x00fffffffffffe00ul)]
    [TestCase(HostedFlags.NewLines, ulong.MaxValue)]
    [TestCase(HostedFlags.NewLines, 0ul)]
    [TestCase(HostedFlags.NewLines | HostedFlags.Packed | HostedFlags.Mirror, 1ul << 55)]
    [TestCase(HostedFlags.NewLines | HostedFlags.Packed, 1ul << 63)]
    public void ARedundantDirectoryThatDoesNotCountCanBeAnywhere(HostedFlags flags, ulong sector)
    {
        using HoledFile file = new(1 << 20);
        WriteHeader(file, new HostedHeader(1, flags, 65536, 128, 0, 0, 512, sector, 8, 128, 0, (ushort)((flags & HostedFlags.Packed) == 0 ? 0 : 1)));
        Assert.That(Open(new VmdkDriver(), file).Check().Errors, Is.Empty);
    }

    /// <summary>tmpfs has them.</summary>
    [Test]
    public void AFileThatEndsWithTheNumbersIsRefused([Values(0, 511, 1 << 20)] int less)
    {
        using HoledFile file = new(long.MaxValue - less);
        WriteHeader(file, new HostedHeader(1, HostedFlags.NewLines, 65536, 128, 0, 0, 512, 0, (ulong)file.Length / 512 - 1, 128, 0, 0));
        Assert.That(() => Open(new VmdkDriver(), file), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>An extent of ESX with grains of a sector, and all its tables, one behind the other with a gap between.</summary>
    private static HoledFile Cowd(uint tables)
    {
        HoledFile file = new(TableAt((int)tables));
        byte[] header = new byte[CowdHeader.Bytes];
        new CowdHeader((uint)Math.Min((ulong)tables * CowdHeader.TableEntries, uint.MaxValue), 1, 4, tables, (uint)(file.Length / 512), 0).Write(header);
        file.WriteAt(header, 0);
        byte[] directory = new byte[tables * 4];
        for (int i = 0; i < tables; i++)
        {
            WriteUInt32LittleEndian(directory.AsSpan(i * 4), (uint)(TableAt(i) / 512));
        }
        file.WriteAt(directory, 2048);
        return file;
    }

    /// <summary>An extent of packed grains whose places are as far apart as they need to be. Its table is behind its directory.</summary>
    private static HoledFile Packed(HostedFlags flags, int grains, int grainBytes)
    {
        HoledFile file = new(PackedAt(grains, grainBytes));
        ulong sectors = (ulong)grainBytes / 512;
        WriteHeader(file, new HostedHeader(3, flags | HostedFlags.Packed, (ulong)grains * sectors, sectors, 0, 0, 512, 0, 1, 128, 0, 1));
        Put(file, 512, 2);
        for (int i = 0; i < grains; i++)
        {
            Put(file, 1024 + (i * 4), PackedAt(i, grainBytes) / 512);
        }
        return file;
    }

    private static long PackedAt(int grain, int grainBytes) => 65536 + (grain * ((2L * grainBytes) + 1024));

    private static byte[] Marker(int sector, int size)
    {
        byte[] marker = new byte[PackedGrain.MarkerBytes];
        WriteInt32LittleEndian(marker, sector);
        WriteInt32LittleEndian(marker.AsSpan(8), size);
        return marker;
    }

    /// <summary>Writes a header, and the descriptor that it says is there.</summary>
    private static void WriteWithDescriptor(HoledFile file, HostedHeader header)
    {
        WriteHeader(file, header);
        string text = $"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW {header.Capacity} SPARSE \"image\"\n";
        file.WriteAt(Encoding.ASCII.GetBytes(text), (long)header.DescriptorAt * 512);
    }

    private static void WriteHeader(HoledFile file, HostedHeader header)
    {
        byte[] bytes = new byte[HostedHeader.Bytes];
        header.Write(bytes);
        file.WriteAt(bytes, 0);
    }

    private static long TableAt(int table) => (16L << 20) + (table * 33L * 512);

    private static void Put(HoledFile file, long at, long value)
    {
        byte[] bytes = new byte[4];
        WriteUInt32LittleEndian(bytes, (uint)value);
        file.WriteAt(bytes, at);
    }
}
