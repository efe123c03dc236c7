// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>Every kind of image that QEMU makes, and what it reads of ours.</summary>
[TestFixture]
internal sealed class VmdkQemuTests
{
    private const int Bytes = (3 << 20) + 1024;

    [TestCase("monolithicSparse", true)]
    [TestCase("monolithicFlat", true)]
    [TestCase("twoGbMaxExtentSparse", true)]
    [TestCase("twoGbMaxExtentFlat", true)]
    [TestCase("streamOptimized", false)]
    public void WhatQemuMakesReadsEqualAndIsWritten(string subformat, bool writable)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] model = Model();
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Img(folder.Path, "convert", "-f", "raw", "-O", "vmdk", "-o", $"subformat={subformat}", "raw", "image.vmdk");
        using (ImageDisk disk = Open(folder, writable))
        {
            RequireReads(disk, model);
            Assert.That(disk.Chain.Images[0].Info.ReadOnlyReason, writable ? Is.Null : Is.Not.Null);
            if (writable)
            {
                WriteSome(disk, model);
            }
        }
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Check(folder.Path, "vmdk", "image.vmdk", leaks: false);
        Qemu.Compare(folder.Path, "vmdk", "image.vmdk", "raw");
    }

    [TestCase("monolithicSparse")]
    [TestCase("monolithicFlat")]
    [TestCase("twoGbMaxExtentSparse")]
    [TestCase("twoGbMaxExtentFlat")]
    [TestCase("vmfs")]
    [TestCase("vmfsSparse")]
    public void WhatWeMakeQemuReads(string subformat)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] model = new byte[Bytes];
        Create(folder, subformat, Bytes, model);
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Check(folder.Path, "vmdk", "image.vmdk", leaks: false);
        Qemu.Compare(folder.Path, "vmdk", "image.vmdk", "raw");
    }

    /// <summary>Writes at both sides of the border between two extents of 2 GiB, and at the end.</summary>
    [TestCase("twoGbMaxExtentSparse")]
    [TestCase("twoGbMaxExtentFlat")]
    public void ADiskInSeveralExtentsIsWrittenInEach(string subformat)
    {
        Qemu.Require();
        const long size = (5L << 30) + 512;
        using ScratchFolder folder = new();
        using (FolderFiles files = new(folder.Path))
        {
            ImageCreateOptions options = new((ulong)size, null, new Dictionary<string, string> { ["subformat"] = subformat });
            using ImageDisk disk = new(ImageStack.Create(files.New("image.vmdk"), new VmdkDriver(), options));
            using FileStream raw = File.Create(folder.File("raw"));
            raw.SetLength(size);
            foreach (long at in (long[])[0, (2L << 30) - 1024, (4L << 30) - 512, size - 512])
            {
                byte[] data = new byte[Math.Min(4096, size - at)];
                data.AsSpan().Fill((byte)(1 + (at >> 30)));
                disk.Write((ulong)at, data);
                raw.Position = at;
                raw.Write(data);
            }
            disk.Close();
            Assert.That(disk.Chain.Images[0].Info.Files, Has.Count.EqualTo(3));
            Assert.That(disk.Chain.Check().Clean, Is.True);
        }
        Qemu.Check(folder.Path, "vmdk", "image.vmdk", leaks: false);
        Qemu.Compare(folder.Path, "vmdk", "image.vmdk", "raw");
    }

    [Test]
    public void GrainsOfZerosReadAsZerosToQemuOverAParent()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] model = Model();
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Img(folder.Path, "convert", "-f", "raw", "-O", "vmdk", "raw", "base.vmdk");
        using (FolderFiles files = new(folder.Path))
        {
            ImageCreateOptions options = new(Bytes, null, new Dictionary<string, string> { ["zeroed_grain"] = "on" });
            using ImageDisk disk = new(ImageStack.Create(
                files.New("image.vmdk"), new VmdkDriver(), options, files.Source("base.vmdk", writable: false), new ImageStackOptions()));
            disk.Zero(65536, 3 * 65536);
            model.AsSpan(65536, 3 * 65536).Clear();
            WriteSome(disk, model);
        }
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Check(folder.Path, "vmdk", "image.vmdk", leaks: false);
        Qemu.Compare(folder.Path, "vmdk", "image.vmdk", "raw");
    }

    [TestCase(true, true, TestName = "TheSpaceOfAZeroedGrainIsLostWhereQemuZeroesIt")]
    [TestCase(true, false, TestName = "TheSpaceOfAZeroedGrainIsKeptWhereWeZeroIt")]
    [TestCase(false, true, TestName = "TheSpaceOfAZeroedGrainIsKeptWhereTheHeaderAllowsNone")]
    public void TheSpaceOfAZeroedGrain(bool allowed, bool byQemu)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "vmdk", "-o", $"zeroed_grain={(allowed ? "on" : "off")}", "image.vmdk", $"{Bytes}");
        Qemu.Io(folder.Path, "vmdk", "image.vmdk", ["write -q -P 1 0 64k", "write -q -P 2 64k 64k"]);
        if (byQemu)
        {
            Qemu.Io(folder.Path, "vmdk", "image.vmdk", ["write -q -z 0 64k"]);
        }
        else
        {
            using ImageDisk disk = Open(folder, writable: true);
            disk.Zero(0, 65536);
            disk.Close();
        }
        using ImageDisk zeroed = Open(folder, writable: false);
        Assert.That(zeroed.Chain.Lookup(0, 1).Kind, Is.EqualTo(allowed && byQemu ? ExtentKind.Zero : ExtentKind.Overlay));
        Assert.That(zeroed.Chain.Check().Leaks, Has.Count.EqualTo(allowed && byQemu ? 1 : 0));
        byte[] content = new byte[65536];
        zeroed.Read(0, content);
        Assert.That(content.AsSpan().ContainsAnyExcept((byte)0), Is.False);
    }

    private static byte[] Model()
    {
        byte[] model = new byte[Bytes];
        new Random(1).NextBytes(model.AsSpan(100_000, 300_000));
        model.AsSpan(2 << 20, 100_000).Fill(0x11);
        model.AsSpan(Bytes - 512).Fill(0x22);
        return model;
    }

    private static void Create(ScratchFolder folder, string subformat, int bytes, byte[] model)
    {
        using FolderFiles files = new(folder.Path);
        ImageCreateOptions options = new((ulong)bytes, null, new Dictionary<string, string> { ["subformat"] = subformat });
        using ImageDisk disk = new(ImageStack.Create(files.New("image.vmdk"), new VmdkDriver(), options));
        WriteSome(disk, model);
        Assert.That(disk.Chain.Check().Clean, Is.True);
    }

    private static void WriteSome(ImageDisk disk, byte[] model)
    {
        foreach ((int at, int length) in ((int, int)[])[(0, 512), (65536 - 512, 1024), (1_000_448, 200_192), (Bytes - 1024, 1024)])
        {
            model.AsSpan(at, length).Fill((byte)(at % 251 + 1));
            disk.Write((ulong)at, model.AsSpan(at, length));
        }
        RequireReads(disk, model);
        disk.Close();
    }

    private static void RequireReads(ImageDisk disk, byte[] model)
    {
        byte[] content = new byte[model.Length];
        disk.Read(0, content);
        Assert.That(content.AsSpan().SequenceEqual(model), Is.True);
    }

    private static ImageDisk Open(ScratchFolder folder, bool writable)
    {
        FolderFiles files = new(folder.Path);
        return new ImageDisk(ImageStack.Open(files.Source("image.vmdk", writable), new ImageStackOptions(writable)));
    }
}
