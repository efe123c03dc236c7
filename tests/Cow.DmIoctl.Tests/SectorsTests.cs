// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class SectorsTests
{
    [Test]
    public void BytesThatAreNotWholeSectorsAreRefused() =>
        Assert.That(() => Sectors.FromBytes(513), Throws.ArgumentException);

    [Test]
    public void BytesAndSectorsConvertBothWays() =>
        Assert.That(Sectors.FromBytes(new Sectors(1024).Bytes), Is.EqualTo(new Sectors(1024)));

    [Test]
    public void ArithmeticIsChecked()
    {
        Assert.That(() => new Sectors(1) - new Sectors(2), Throws.TypeOf<OverflowException>());
        Assert.That(() => new Sectors(ulong.MaxValue) + new Sectors(1), Throws.TypeOf<OverflowException>());
        Assert.That(() => new Sectors(1UL << 55).Bytes, Throws.TypeOf<OverflowException>());
    }
}
