// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

[TestFixture]
internal sealed class SignatureProbeTests
{
    [TestCase("ext2/3/4", 1080, "53ef")]
    [TestCase("xfs", 0, "58465342")]
    [TestCase("btrfs", 65600, "5f42485266535f4d")]
    [TestCase("swap", 4086, "53574150535041434532")]
    [TestCase("LVM2 physical volume", 512, "4c4142454c4f4e45")]
    [TestCase("GPT partition table", 512, "4546492050415254")]
    [TestCase("MBR partition table", 510, "55aa")]
    [TestCase("LUKS", 0, "4c554b53babe")]
    [TestCase("qcow or qcow2 image", 0, "514649fb")]
    [TestCase("VHD image", (1 << 20) - 512, "636f6e6563746978")]
    [TestCase("VHDX image", 0, "7668647866696c65")]
    [TestCase("VMDK image", 0, "4b444d56")]
    public void ASignatureIsFound(string owner, int offset, string magic)
    {
        using MemoryFile file = new(1 << 20);
        Convert.FromHexString(magic).CopyTo(file.Bytes, offset);
        Assert.That(SignatureProbe.Find(file), Is.EqualTo(owner));
    }

    [Test]
    public void AnEmptyDeviceBearsNone([Values(0, 1, 511, 512, 4096, 1 << 20)] int length)
    {
        using MemoryFile file = new(length);
        Assert.That(SignatureProbe.Find(file), Is.Null);
        Assert.That(SignatureProbe.HasZeroHead(file), Is.True);
    }

    [Test]
    public void OurOwnStoresAreNotForeign([Values("snapshot", "bitmap")] string format)
    {
        using MemoryFile file = new(1 << 20);
        FormatRegistry.Find(format)!.Create(new FormatFiles(file), new CreateOptions(1 << 19, 8));
        Assert.That(SignatureProbe.Find(file), Is.Null);
        Assert.That(SignatureProbe.HasZeroHead(file), Is.False);
    }
}
