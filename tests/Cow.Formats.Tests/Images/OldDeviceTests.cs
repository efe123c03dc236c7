// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

/// <summary>Images on a device on which somebody left something.</summary>
[TestFixture]
internal sealed class OldDeviceTests
{
    /// <summary>ENOSPC of errno(3).</summary>
    private const int NoSpace = 28;

    private const ulong DiskBytes = (3 << 20) + 512;

    [TestCase("vhd", "subformat=fixed")]
    [TestCase("vhd", "subformat=dynamic")]
    [TestCase("vhdx", "subformat=fixed,block_size=1M")]
    [TestCase("vhdx", "subformat=dynamic,block_size=1M")]
    [TestCase("qcow2", "preallocation=metadata")]
    [TestCase("qcow2", "preallocation=metadata,cluster_size=512")]
    [TestCase("qcow2", "preallocation=off")]
    public void ANewDiskReadsAsZeros(string format, string settings)
    {
        using MemoryFiles files = WithDevice();
        ImageRegistry.Find(format)!.Create(files.Source("device"), Options(settings)).Close();
        using ImageDisk disk = new(ImageStack.Open(files.Reopened().Source("device"), new ImageStackOptions(Writable: false)));
        Assert.That(Read(disk), Is.All.Zero);
    }

    /// <summary>A copy failed before it was made, or while it was: the one place is still reserved, the other one abandoned, and nobody knows what is there.
    /// What was committed behind them does not name them.</summary>
    [TestCase("vhd", "subformat=dynamic", false)]
    [TestCase("vhd", "subformat=dynamic", true)]
    [TestCase("vhdx", "block_size=1M", false)]
    [TestCase("vhdx", "block_size=1M", true)]
    [TestCase("qcow2", "preallocation=off", false)]
    [TestCase("qcow2", "preallocation=off", true)]
    public void WhatWasNeverCommittedReadsAsBefore(string format, string settings, bool backed)
    {
        using MemoryFiles files = WithDevice();
        byte[] model = new byte[DiskBytes];
        ImageSource? parent = backed ? NewParent(files, format, settings, model) : null;
        using (ImageDisk disk = new(ImageStack.Create(files.Source("device"), ImageRegistry.Find(format)!, Options(settings), parent, new ImageStackOptions(Format: format))))
        {
            ulong chunks = (DiskBytes - 1) / (disk.Chain.Info.ChunkSectors * 512UL);
            disk.Chain.Allocate(new ChunkRun(0, 1));
            disk.Chain.Allocate(new ChunkRun(chunks / 2, 1));
            disk.Chain.Abandon(new ChunkRun(chunks / 2, 1));
            model.AsSpan(^512..).Fill(0x77);
            disk.Write(DiskBytes - 512, model.AsSpan(^512..));
            disk.Close();
        }
        using ImageDisk closed = new(ImageStack.Open(files.Reopened().Source("device"), new ImageStackOptions(Writable: false)));
        Assert.That(Read(closed).AsSpan().CommonPrefixLength(model), Is.EqualTo(model.Length));
        Assert.That(closed.Chain.Check().Errors, Is.Empty);
    }

    private static MemoryFiles WithDevice()
    {
        byte[] device = new byte[16 << 20];
        device.AsSpan().Fill(0xa5);
        return new MemoryFiles().Add("device", new MemoryFile(device));
    }

    private static ImageSource NewParent(MemoryFiles files, string format, string settings, byte[] content)
    {
        new Random(1).NextBytes(content);
        using ImageDisk disk = new(ImageStack.Create(files.New("parent"), ImageRegistry.Find(format)!, Options(settings)));
        disk.Write(0, content);
        disk.Close();
        return files.Source("parent", writable: false);
    }

    private static ImageCreateOptions Options(string settings) =>
        new(DiskBytes, null, settings.Split(',').Select(static setting => setting.Split('=')).ToDictionary(static pair => pair[0], static pair => pair[1]));

    private static byte[] Read(ImageDisk disk)
    {
        byte[] read = new byte[DiskBytes];
        read.AsSpan().Fill(1);
        disk.Read(0, read);
        return read;
    }

    [TestCase("vhd", "subformat=fixed", DiskBytes)]
    [TestCase("vhd", "subformat=dynamic", 1UL << 40)]
    [TestCase("vhdx", "subformat=dynamic", DiskBytes)]
    [TestCase("vhdx", "subformat=fixed", DiskBytes)]
    [TestCase("qcow2", "preallocation=metadata", DiskBytes)]
    [TestCase("qcow2", "preallocation=off", 1UL << 48)]
    public void ADeviceThatIsTooSmallIsForWantOfRoom(string format, string setting, ulong bytes)
    {
        using MemoryFiles files = new();
        files.Add("device", new MemoryFile(1 << 20));
        string[] pair = setting.Split('=');
        ImageCreateOptions options = new(bytes, null, new Dictionary<string, string> { [pair[0]] = pair[1] });
        Assert.That(
            () => ImageRegistry.Find(format)!.Create(files.Source("device"), options),
            Throws.TypeOf<IOException>().With.Property("HResult").EqualTo(NoSpace).And.Message.Contains("no room for"));
    }
}
