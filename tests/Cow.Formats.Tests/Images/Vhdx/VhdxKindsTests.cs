// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhdx;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhdx;

/// <summary>Kinds of VHDX that the contract does not make: fixed ones, and ones with sectors of 4 KiB.</summary>
[TestFixture]
internal sealed class VhdxKindsTests
{
    private const string Image = "image";
    private const string Child = "child";
    private const int DiskBytes = 4 << 20;

    private static readonly VhdxDriver Driver = new();

    [Test]
    public void AFixedOneHasAPlaceForEveryBlock()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        using FolderFiles files = new(folder.Path);
        byte[] model = new byte[DiskBytes];
        using (ImageDisk disk = Make(files, Image, null, ("subformat", "fixed"), ("block_size", "1M")))
        {
            Assert.That(disk.Chain.Find(0, DiskBytes, out _).Kind, Is.EqualTo(ImageExtentKind.Data));
            WriteSome(disk, model, new Random(1));
            disk.Close();
        }
        File.WriteAllBytes(folder.File("expected"), model);
        Qemu.Check(folder.Path, "vhdx", Image, leaks: false);
        Qemu.Compare(folder.Path, "vhdx", Image, "expected");
    }

    [Test]
    public void AFixedOneOfQemuIsReadAndWritten()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        Qemu.Img(folder.Path, "create", "-q", "-f", "vhdx", "-o", "subformat=fixed,block_size=1M", Image, $"{DiskBytes}");
        byte[] model = new byte[DiskBytes];
        using (FolderFiles files = new(folder.Path))
        {
            using ImageDisk disk = Open(files, Image);
            WriteSome(disk, model, new Random(2));
            disk.Close();
        }
        File.WriteAllBytes(folder.File("expected"), model);
        Qemu.Check(folder.Path, "vhdx", Image, leaks: false);
        Qemu.Compare(folder.Path, "vhdx", Image, "expected");
    }

    /// <summary>A sector is then what a bit of a bitmap stands for: who writes a part of one takes the rest of it from the parent.</summary>
    [Test]
    public void SectorsOf4KiBAreReadAndWritten()
    {
        MemoryFiles files = new();
        byte[] model = new byte[DiskBytes];
        Make(files, Image, null, ("block_size", "1M")).Dispose();
        files.Put(Image, WithLargeSectors(files.Bytes(Image)));
        using (ImageDisk parent = Open(files, Image))
        {
            WriteSome(parent, model, new Random(3));
            parent.Close();
        }
        files = files.Reopened();
        Make(files, Child, files.Source(Image, writable: false), ("block_size", "1M")).Dispose();
        files.Put(Child, WithLargeSectors(files.Bytes(Child)));
        for (int phase = 0; phase < 3; phase++)
        {
            files = files.Reopened();
            using ImageDisk disk = Open(files, Child);
            Require(disk, model);
            WriteSome(disk, model, new Random(4 + phase));
            disk.Write(512, model.AsSpan(1024, 512));
            model.AsSpan(1024, 512).CopyTo(model.AsSpan(512));
            Require(disk, model);
            disk.Close();
        }
    }

    private static void Require(ImageDisk disk, byte[] model)
    {
        byte[] content = new byte[disk.Length];
        disk.Read(0, content);
        Assert.That(content.AsSpan().CommonPrefixLength(model), Is.EqualTo(model.Length), "bytes that are equal");
        disk.Flush();
        Assert.That(disk.Chain.Check().Errors, Is.Empty);
    }

    private static void WriteSome(ImageDisk disk, byte[] model, Random random)
    {
        for (int i = 0; i < 20; i++)
        {
            int at = random.Next(DiskBytes / 512) * 512;
            Span<byte> part = model.AsSpan(at, Math.Min(random.Next(1, 40) * 512, DiskBytes - at));
            random.NextBytes(part);
            disk.Write((ulong)at, part);
        }
    }

    /// <summary>Changes what the metadata, at 2 MiB, says of logical sectors. Written from the specification: entries of 32 bytes from the 32nd byte on,
    /// each an id, the item's offset in the region and its length.</summary>
    private static byte[] WithLargeSectors(byte[] image)
    {
        const int region = 2 << 20;
        byte[] id = new Guid("8141bf1d-a96f-4709-ba47-f233a8faab5f").ToByteArray();
        int entry = Enumerable.Range(1, 16).Select(i => region + (i * 32)).Single(at => image.AsSpan(at, 16).SequenceEqual(id));
        WriteUInt32LittleEndian(image.AsSpan(region + (int)ReadUInt32LittleEndian(image.AsSpan(entry + 16))), 4096);
        return image;
    }

    private static ImageDisk Make(ImageFiles files, string name, ImageSource? parent, params (string Name, string Value)[] settings) => new(ImageStack.Create(
        files.New(name),
        Driver,
        new ImageCreateOptions(DiskBytes, null, settings.ToDictionary(s => s.Name, s => s.Value)),
        parent,
        new ImageStackOptions(Format: "vhdx")));

    private static ImageDisk Open(ImageFiles files, string name) =>
        new(ImageStack.Open(files.Source(name), new ImageStackOptions(Writable: true, "vhdx", "vhdx")));
}
