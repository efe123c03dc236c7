// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

/// <summary>Images made on a device on which somebody left something.</summary>
[TestFixture]
internal sealed class OldDeviceTests
{
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
        byte[] device = new byte[16 << 20];
        device.AsSpan().Fill(0xa5);
        Dictionary<string, string> options = settings.Split(',').Select(static setting => setting.Split('=')).ToDictionary(static pair => pair[0], static pair => pair[1]);
        using MemoryFiles files = new();
        files.Add("device", new MemoryFile(device));
        ImageRegistry.Find(format)!.Create(files.Source("device"), new ImageCreateOptions(DiskBytes, null, options)).Close();
        using ImageDisk disk = new(ImageStack.Open(files.Reopened().Source("device"), new ImageStackOptions(Writable: false)));
        byte[] read = new byte[DiskBytes];
        read.AsSpan().Fill(1);
        disk.Read(0, read);
        Assert.That(read, Is.All.Zero);
    }
}
