// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class TargetLineTests
{
    [TestCase("0 2048 linear 8:16 384")]
    [TestCase("100 1 error")]
    [TestCase("0 100 cow ident /dev/hdb /dev/hdc 1024 2 no_controller wait")]
    public void ALineIsReadAndPrintedAlike(string text) =>
        Assert.That(TargetLine.Parse(text).ToString(), Is.EqualTo(text));

    [Test]
    public void BlanksAroundWordsDoNotMatter() => Assert.That(
        TargetLine.Parse("  0\t8   linear   8:0 0 \n"),
        Is.EqualTo(new TargetLine(new Sectors(0), new Sectors(8), "linear", "8:0 0")));

    [TestCase("")]
    [TestCase("0 8")]
    [TestCase("0 0 linear 8:0 0")]
    [TestCase("-1 8 linear 8:0 0")]
    [TestCase("0x10 8 linear 8:0 0")]
    [TestCase("18446744073709551615 8 linear 8:0 0")]
    [TestCase(null)]
    public void OtherTextIsRefused(string? text) => Assert.That(TargetLine.TryParse(text, out _), Is.False);

    [Test]
    public void TheEndIsTheFirstSectorBehind() =>
        Assert.That(TargetLine.Parse("8 16 zero").End, Is.EqualTo(new Sectors(24)));
}
