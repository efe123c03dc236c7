// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Raw;
using Cow.Formats.Tests.Images.Toy;

namespace Cow.Formats.Tests.Images;

[TestFixture]
internal sealed class ImageDiskTests
{
    private const int DiskBytes = 20_480;

    private readonly MemoryFiles _files = new();

    [Test]
    public void APartlyWrittenChunkKeepsWhatLiesBelow()
    {
        using ImageDisk disk = NewDisk();
        disk.Write(512, new byte[512]);
        RequireNines(disk, except: (512, 1024));
        disk.Flush();
        RequireNines(disk, except: (512, 1024));
    }

    [Test]
    public void ZeroingWholeChunksTakesNoRoom()
    {
        using ImageDisk disk = NewDisk();
        long before = _files.Source("top").File.Length;
        disk.Zero(4096, 8192);
        disk.Flush();
        RequireNines(disk, except: (4096, 12_288));
        Assert.That(_files.Source("top").File.Length, Is.EqualTo(before));
    }

    [Test]
    public void ZeroingAfterWritingZeroesWhatWasWritten()
    {
        using ImageDisk disk = NewDisk();
        disk.Write(4096, [.. Enumerable.Repeat((byte)5, 4096)]);
        disk.Zero(4096, 4096);
        disk.Write(0, [.. Enumerable.Repeat((byte)9, 512)]);
        disk.Zero(1024, 1024);
        Assert.That(Read(disk)[4096..8192], Is.All.Zero);
        disk.Close();
        Assert.That(Read(disk)[1024..2048], Is.All.Zero);
        Assert.That(Read(disk)[4096..8192], Is.All.Zero);
    }

    [Test]
    public void WhatTheTopImageHadNothingOfIsAskedForAgainOnceItChanged()
    {
        using ImageDisk disk = NewDisk();
        ExtentKind Kind(ulong chunk) => disk.Chain.Lookup(chunk, 1).Kind;
        Assert.That(Kind(1), Is.EqualTo(ExtentKind.Layer));
        disk.Write((ulong)disk.Chain.Info.ChunkSectors * 512, new byte[512]);
        Assert.That(Kind(1), Is.EqualTo(ExtentKind.Layer));
        disk.Flush();
        Assert.That(Kind(1), Is.EqualTo(ExtentKind.Overlay));
        Assert.That(Kind(2), Is.EqualTo(ExtentKind.Layer));
        Assert.That(disk.Chain.TryZero(new ChunkRun(2, 1)), Is.True);
        Assert.That(Kind(2), Is.EqualTo(ExtentKind.Zero));
    }

    [Test]
    public void NothingIsCommittedBeforeItIsFlushed()
    {
        using ImageDisk disk = NewDisk();
        disk.Write(0, new byte[4096]);
        Assert.That(disk.Chain.Images[0].Lookup(0, 512).Kind, Is.EqualTo(ImageExtentKind.Below));
        disk.Flush();
        Assert.That(disk.Chain.Images[0].Lookup(0, 512).Kind, Is.EqualTo(ImageExtentKind.Data));
    }

    private ImageDisk NewDisk()
    {
        _files.Put("base", [.. Enumerable.Repeat((byte)9, DiskBytes)]);
        ImageCreateOptions options = new(DiskBytes, null, new Dictionary<string, string>());
        ImageStackOptions raw = new(Format: "raw") { Drivers = [new RawDriver()] };
        return new ImageDisk(ImageStack.Create(_files.New("top"), new ToyDriver(), options, _files.Source("base"), raw));
    }

    private static void RequireNines(ImageDisk disk, (int From, int To) except)
    {
        byte[] data = Read(disk);
        Assert.That(data[..except.From].Concat(data[except.To..]), Is.All.EqualTo(9));
        Assert.That(data[except.From..except.To], Is.All.Zero);
    }

    private static byte[] Read(ImageDisk disk)
    {
        byte[] data = new byte[DiskBytes];
        disk.Read(0, data);
        return data;
    }
}
