// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

/// <summary>Images made on a device on which somebody left something.</summary>
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
