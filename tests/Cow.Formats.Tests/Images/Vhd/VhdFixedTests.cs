// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhd;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>Fixed VHDs: everything has its place from the start, so the contract of formats that place has little to say.</summary>
[TestFixture]
internal sealed class VhdFixedTests
{
    private const ulong DiskBytes = (1 << 20) + 512;

    private static readonly VhdDriver Driver = new();

    [Test]
    public void QemuReadsWhatWasWritten()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] model = new byte[DiskBytes];
        using (FolderFiles files = new(folder.Path))
        {
            using ImageDisk disk = new(ImageStack.Create(files.New("a"), Driver, Options("fixed")));
            Random random = new(1);
            for (int i = 0; i < 50; i++)
            {
                byte[] data = new byte[512 * random.Next(1, 200)];
                random.NextBytes(data);
                int at = random.Next(((int)DiskBytes - data.Length) / 512) * 512;
                data.CopyTo(model, at);
                disk.Write((ulong)at, data);
            }
            disk.Close();
        }
        File.WriteAllBytes(folder.File("expected"), model);
        Qemu.Compare(folder.Path, "vpc", "a", "expected");
        Assert.That(new FileInfo(folder.File("a")).Length, Is.EqualTo((long)DiskBytes + 512));
    }

    [Test]
    public void AnImageOfQemuIsRead()
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] model = new byte[DiskBytes];
        new Random(2).NextBytes(model);
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Img(folder.Path, "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", "raw", "b");
        using FolderFiles files = new(folder.Path);
        using ImageDisk disk = new(ImageStack.Open(files.Source("b"), new ImageStackOptions(Writable: false)));
        byte[] read = new byte[disk.Length];
        disk.Read(0, read);
        Assert.That(read.AsSpan().SequenceEqual(model), Is.True);
    }

    [Test]
    public void EveryChunkIsWhereItAlwaysWas()
    {
        MemoryFiles files = new();
        using ImageChain chain = ImageStack.Create(files.New("a"), Driver, Options("fixed"));
        Assert.That(chain.Lookup(0, 100), Is.EqualTo(new Extent(new ChunkRun(0, 17), ExtentKind.Overlay, new Place(0, 0))));
        Assert.That(chain.Allocate(new ChunkRun(3, 1)).Fill, Is.EqualTo(Fill.None));
        Assert.That(chain.Check().Clean, Is.True);
    }

    /// <summary>A guest may write any magic into its first sector, for instance that of a VHD which is a file for it.</summary>
    [Test]
    public void WhatTheGuestHasInItsFirstSectorIsNoFooter()
    {
        MemoryFiles files = new();
        using (ImageChain made = ImageStack.Create(files.New("nested"), Driver, Options("dynamic")))
        {
        }
        using (ImageDisk disk = new(ImageStack.Create(files.New("a"), Driver, Options("fixed"))))
        {
            disk.Write(0, files.Bytes("nested").AsSpan(0, 2048));
            disk.Close();
        }
        using ImageChain chain = ImageStack.Open(files.Reopened().Source("a"), new ImageStackOptions(Writable: true));
        Assert.That(chain.Images[0].Info.Facts[0].Value, Is.EqualTo("fixed"));
    }

    private static ImageCreateOptions Options(string subformat) => new(DiskBytes, null, new Dictionary<string, string> { ["subformat"] = subformat });
}
