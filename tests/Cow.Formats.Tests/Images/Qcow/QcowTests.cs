// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Qcow;

[TestFixture]
internal sealed class QcowTests
{
    private const int FirstEntry = CompressedQcow.TableAt;
    private static readonly QcowDriver Driver = new();

    [Test]
    public void CompressedClustersAreInflatedAndThenWritten()
    {
        MemoryFiles files = new();
        files.Put("image", CompressedQcow.Make(5));
        byte[] model = new byte[CompressedQcow.DiskBytes];
        CompressedQcow.Content(5).CopyTo(model, 0);
        using (ImageDisk disk = Open(files))
        {
            Assert.That(disk.Chain.Lookup(0, 5).Kind, Is.EqualTo(ExtentKind.Opaque));
            Assert.That(Read(disk), Is.EqualTo(model));
            model.AsSpan(CompressedQcow.ClusterBytes + 512, 512).Fill(0x77);
            disk.Write(CompressedQcow.ClusterBytes + 512, model.AsSpan(CompressedQcow.ClusterBytes + 512, 512));
            disk.Flush();
            Assert.That(disk.Chain.Lookup(1, 1).Kind, Is.EqualTo(ExtentKind.Overlay));
            disk.Close();
        }
        using ImageDisk again = Open(files.Reopened());
        Assert.That(Read(again), Is.EqualTo(model));
        Assert.That(again.Chain.Check().Errors, Is.Empty);
    }

    [Test]
    public void WhatQemuCompressesReadsEqualAndIsWritten()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] model = new byte[2 << 20];
        for (int cluster = 0; cluster < 100; cluster++)
        {
            model.AsSpan(cluster * 4096, 4096).Fill((byte)(cluster + 1));
        }
        Qemu.Img(folder.Path, "create", "-q", "-f", "qcow", "image", $"{model.Length}");
        // qemu-img convert -c fails for this format, without a word.
        Qemu.Io(folder.Path, "qcow", "image", Enumerable.Range(0, 100).Select(i => $"write -q -c -P {i + 1} {i * 4096} 4096"));
        using (FolderFiles files = new(folder.Path))
        {
            using ImageDisk disk = new(ImageStack.Open(files.Source("image"), new ImageStackOptions(true) { Drivers = [Driver] }));
            Assert.That(Read(disk).AsSpan().SequenceEqual(model), Is.True);
            Assert.That(disk.Chain.Check().Clean, Is.True, string.Join("; ", disk.Chain.Check().Errors.Concat(disk.Chain.Check().Leaks)));
            model.AsSpan(10_240, 5120).Fill(0x99);
            disk.Write(10_240, model.AsSpan(10_240, 5120));
            disk.Close();
        }
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Compare(folder.Path, "qcow", "image", "raw");
    }

    [TestCase(0u, false)]
    [TestCase(2u, true)]
    [TestCase(3u, true)]
    public void AFirstLevelTableInAnotherByteOrderIsOnlyRead(uint flags, bool writable)
    {
        byte[] image = new byte[16384 + 4096];
        new QcowHeader(0, 0, 1 << 20, 12, 9, 0, 4096, 0).Write(image, 0);
        WriteUInt32BigEndian(image.AsSpan(48), 0x58454efb);
        WriteUInt32BigEndian(image.AsSpan(60), flags);
        BitConverter.GetBytes(writable ? ReverseEndianness(8192UL) : 8192UL).CopyTo(image, 4096);
        WriteUInt64BigEndian(image.AsSpan(8192), 16384);
        image.AsSpan(16384).Fill(0x42);
        MemoryFiles files = new();
        files.Put("image", image);
        using (ImageDisk disk = Open(files, writable: false))
        {
            Assert.That(Read(disk).AsSpan(0, 4096).IndexOfAnyExcept((byte)0x42), Is.EqualTo(-1));
            Assert.That(disk.Chain.Images[0].Info.ReadOnlyReason, writable ? Is.Null : Does.Contain("Xen"));
        }
        Assert.That(() => Open(files).Dispose(), writable ? Throws.Nothing : Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>qemu-img does not check this format; our check has to find everything.</summary>
    [TestCase("a cluster behind the end", FirstEntry, 0x4000_0000UL)]
    [TestCase("a cluster at the header", FirstEntry, 0x0000_0200UL - 0x200)]
    [TestCase("a cluster at its own table", FirstEntry, 4096UL)]
    [TestCase("a cluster that starts before a table and reaches into it", FirstEntry, 4096UL - 512)]
    [TestCase("a cluster in the middle of a sector", FirstEntry, 12345UL)]
    [TestCase("two clusters at one place", FirstEntry + 8, 8192UL)]
    [TestCase("a cluster that begins in another one", FirstEntry + 8, 8192UL + 512)]
    [TestCase("a compressed cluster behind the end", FirstEntry, 1UL << 63 | 100UL << 51 | 0x4000_0000)]
    [TestCase("a compressed cluster of no bytes", FirstEntry, 1UL << 63 | 8192)]
    [TestCase("a compressed cluster that is none", FirstEntry, 1UL << 63 | 500UL << 51 | 8192)]
    [TestCase("a compressed cluster in the header", FirstEntry, 1UL << 63 | 500UL << 51 | 1)]
    [TestCase("a place behind the end of the disk", FirstEntry + (8 * 300), 12288UL)]
    [TestCase("a table behind the end", 48, 0x4000_0000UL)]
    [TestCase("a table at the header", 48, 512UL - 512 + 1)]
    [TestCase("a table that is no multiple of sectors", 48, 4097UL)]
    public void CheckFindsAPlantedDefect(string what, int at, ulong entry)
    {
        byte[] image = Sound();
        WriteUInt64BigEndian(image.AsSpan(at), entry);
        if (entry == 0)
        {
            WriteUInt64BigEndian(image.AsSpan(at), 1UL << 63 | 500UL << 51);
        }
        Assert.That(Errors(image), Is.Not.Empty, what);
    }

    [Test]
    public void CheckFindsLostSpaceAndNothingElse()
    {
        Assert.That(Report(Sound()).Clean, Is.True);
        byte[] image = [.. Sound(), .. new byte[4096]];
        CheckReport report = Report(image);
        Assert.That((report.Errors.Count, report.Leaks.Count), Is.EqualTo((0, 1)));
    }

    /// <summary>Without an offset there is no name, whatever its length.</summary>
    [TestCase(0u)]
    [TestCase(uint.MaxValue)]
    public void ARepairGivesBackLostSpaceAtTheEnd(uint nameBytes)
    {
        byte[] image = Sound();
        WriteUInt32BigEndian(image.AsSpan(16), nameBytes);
        MemoryFiles files = Put([.. image, .. new byte[4096]]);
        Driver.Repair(files.Source("image"));
        Assert.That(files.Bytes("image"), Is.EqualTo(image));
    }

    /// <summary>Compressed clusters lie on any byte: the last one begins in the last sector of another, and alone reaches into the place at 12 KiB.</summary>
    [Test]
    public void ARepairMovesNothingOverACompressedCluster()
    {
        byte[] image = CompressedQcow.Make(6);
        Assert.That(image, Has.Length.GreaterThan(12288).And.Length.LessThan(12288 + 1024));
        // A cluster, and one that is lost.
        Array.Resize(ref image, 16384 + 4096 + 4096);
        WriteUInt64BigEndian(image.AsSpan(FirstEntry + (6 * 8)), 16384);
        image.AsSpan(16384, 4096).Fill(0xa5);
        byte[] model = new byte[CompressedQcow.DiskBytes];
        CompressedQcow.Content(6).CopyTo(model, 0);
        model.AsSpan(6 * 4096, 4096).Fill(0xa5);
        MemoryFiles files = Put(image);
        Driver.Repair(files.Source("image"));
        using ImageDisk disk = Open(files.Reopened(), writable: false);
        Assert.That(Read(disk), Is.EqualTo(model));
        Assert.That(disk.Chain.Check().Clean, Is.True);
    }

    [Test]
    public void ASecondTableAtTheSamePlaceIsRefused()
    {
        byte[] image = Sound();
        WriteUInt64BigEndian(image.AsSpan(24), 4 << 20);
        WriteUInt64BigEndian(image.AsSpan(56), 4096);
        Assert.That(Errors(image), Is.Not.Empty);
    }

    /// <summary>A file of 16 GiB, nearly all holes, with a table in every second sector: where each is must fit memory.</summary>
    [Test]
    public void MoreTablesThanFitMemoryAreRefused()
    {
        ImageSource source = new MemoryFiles(static _ => new FileOfTables()).New("image");
        Assert.That(() => Driver.Open(source, new ImageOpenOptions(false)), Throws.InstanceOf<ImageFormatException>().With.Property("Expected").Contains("tables at most"));
    }

    [TestCase(32, (byte)8)]
    [TestCase(32, (byte)17)]
    [TestCase(33, (byte)5)]
    [TestCase(33, (byte)14)]
    [TestCase(39, (byte)1)]
    [TestCase(39, (byte)2)]
    [TestCase(7, (byte)2)]
    [TestCase(24, (byte)0xff)]
    [TestCase(40, (byte)1)]
    [TestCase(47, (byte)8)]
    public void AHeaderThatCannotBeIsRefused(int at, byte value)
    {
        byte[] image = Sound();
        image[at] = value;
        Assert.That(() => Open(Put(image)).Dispose(), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void ABackingNameThatCannotBeIsRefused()
    {
        foreach ((ulong at, uint length) in ((ulong, uint)[])[(48, 1024), (1 << 20, 8), (8, 8), (ulong.MaxValue - 3, 8)])
        {
            byte[] image = Sound();
            WriteUInt64BigEndian(image.AsSpan(8), at);
            WriteUInt32BigEndian(image.AsSpan(16), length);
            Assert.That(() => Driver.Open(Put(image).Source("image"), new ImageOpenOptions(false)), Throws.InstanceOf<ImageFormatException>(), $"{at}, {length}");
        }
    }

    [Test]
    public void ASettingThatQcowDoesNotTakeIsRefused()
    {
        foreach ((ulong bytes, string value) in ((ulong, string)[])[(1 << 20, "256"), (1 << 20, "128K"), (1 << 20, "5000"), (1 << 20, "x"), (1UL << 60, "512")])
        {
            MemoryFiles files = new();
            Assert.That(
                () => Driver.Create(files.New("image"), new ImageCreateOptions(bytes, null, new Dictionary<string, string> { ["cluster_size"] = value })),
                Throws.ArgumentException);
        }
    }

    /// <summary>Two clusters, at 8 and 12 KiB.</summary>
    private static byte[] Sound()
    {
        byte[] image = new byte[16384];
        new QcowHeader(0, 0, CompressedQcow.DiskBytes, 12, 9, 0, QcowHeader.Bytes, null).Write(image, 0);
        WriteUInt64BigEndian(image.AsSpan(QcowHeader.Bytes), CompressedQcow.TableAt);
        WriteUInt64BigEndian(image.AsSpan(FirstEntry), 8192);
        WriteUInt64BigEndian(image.AsSpan(FirstEntry + 8), 12288);
        image.AsSpan(8192).Fill(0xa5);
        return image;
    }

    private static IReadOnlyList<string> Errors(byte[] image)
    {
        try
        {
            return Report(image).Errors;
        }
        catch (ImageFormatException e)
        {
            return [e.Message];
        }
    }

    private static CheckReport Report(byte[] image)
    {
        using ImageDisk disk = Open(Put(image), writable: false);
        return disk.Chain.Check();
    }

    private static MemoryFiles Put(byte[] image)
    {
        MemoryFiles files = new();
        files.Put("image", image);
        return files;
    }

    private static ImageDisk Open(MemoryFiles files, bool writable = true) =>
        new(ImageStack.Open(files.Source("image"), new ImageStackOptions(writable) { Drivers = [Driver] }));

    private static byte[] Read(ImageDisk disk)
    {
        byte[] content = new byte[disk.Length];
        disk.Read(0, content);
        return content;
    }

    /// <summary>A header, a first-level table without a hole, and zeros.</summary>
    private sealed class FileOfTables : IImageFile
    {
        private const int DirectoryAt = 512;
        private const ulong TablesAt = 1 << 28;

        public string Name => "image";

        public long Length => 1L << 34;

        public void ReadAt(Span<byte> buffer, long offset)
        {
            buffer.Clear();
            if (offset < DirectoryAt)
            {
                byte[] header = new byte[DirectoryAt];
                new QcowHeader(0, 0, QcowHeader.MostTables << 15, 9, 6, 0, DirectoryAt, null).Write(header, 0);
                header.AsSpan((int)offset, (int)Math.Min(buffer.Length, DirectoryAt - offset)).CopyTo(buffer);
                return;
            }
            for (int i = 0; i + 8 <= buffer.Length && offset < 1 << 27; i += 8)
            {
                WriteUInt64BigEndian(buffer[i..], TablesAt + ((ulong)(offset - DirectoryAt + i) / 8 * 1024));
            }
        }

        public void WriteAt(ReadOnlySpan<byte> data, long offset) => throw new NotSupportedException();

        public void Flush()
        {
        }

        public void Dispose()
        {
        }
    }
}
