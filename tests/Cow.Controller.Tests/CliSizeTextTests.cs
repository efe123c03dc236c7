// SPDX-License-Identifier: MIT
using Cow.Controller.Cli;
using Cow.Controller.Cli.Values;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class CliSizeTextTests
{
    [TestCase("1", 1ul)]
    [TestCase("1024", 1024ul)]
    [TestCase("512B", 1ul)]
    [TestCase("64K", 128ul)]
    [TestCase("64k", 128ul)]
    [TestCase("1M", 2048ul)]
    [TestCase("3G", 6_291_456ul)]
    [TestCase("16T", 34_359_738_368ul)]
    [TestCase("18014398509481983", 18_014_398_509_481_983ul)]
    public void ASizeIsSectorsOrBytesWithASuffix(string text, ulong sectors) =>
        Assert.That(SizeText.Sectors("size", text), Is.EqualTo(sectors));

    [TestCase("0", "is zero")]
    [TestCase("0K", "is zero")]
    [TestCase("", "is not a size")]
    [TestCase("K", "is not a size")]
    [TestCase("-1", "is not a size")]
    [TestCase("+1", "is not a size")]
    [TestCase("1.5M", "is not a size")]
    [TestCase(" 8", "is not a size")]
    [TestCase("0x10", "is not a size")]
    [TestCase("8KiB", "is not a size")]
    [TestCase("8P", "is not a size")]
    [TestCase("1000B", "is not a multiple of 512 bytes")]
    [TestCase("18014398509481984", "is more than any device can hold")]
    [TestCase("18446744073709551616", "is more than any device can hold")]
    [TestCase("8388608T", "is more than any device can hold")]
    [TestCase("99999999999999999999999999T", "is more than any device can hold")]
    public void EveryOtherSizeHasItsSentence(string text, string reason)
    {
        CliException refused = Assert.Throws<CliException>(() => SizeText.Sectors("size", text))!;
        Assert.Multiple(() =>
        {
            Assert.That(refused.Failure.Code, Is.EqualTo(ExitCode.Usage));
            Assert.That(refused.Failure.Object, Is.EqualTo($"size {text}"));
            Assert.That(refused.Failure.Reason, Is.EqualTo(reason));
            Assert.That(refused.Failure.Cure, Is.Not.Empty);
        });
    }

    [TestCase("8", 8ul)]
    [TestCase("1024", 1024ul)]
    [TestCase("512K", 1024ul)]
    [TestCase("1", 1ul)]
    public void AChunkIsAPowerOfTwo(string text, ulong sectors) => Assert.That(SizeText.Chunk(text), Is.EqualTo(sectors));

    [TestCase("1000", "take 512 or 1024 sectors (256 KiB or 512 KiB)")]
    [TestCase("3", "take 2 or 4 sectors (1 KiB or 2 KiB)")]
    [TestCase("96K", "take 128 or 256 sectors (64 KiB or 128 KiB)")]
    public void AnotherChunkIsAnsweredWithItsNeighbours(string text, string cure) =>
        Assert.That(Assert.Throws<CliException>(() => SizeText.Chunk(text))!.Failure.Cure, Is.EqualTo(cure));

    [TestCase("4294967296")]
    [TestCase("4T")]
    public void AChunkHasAnUpperLimit(string text) =>
        Assert.That(Assert.Throws<CliException>(() => SizeText.Chunk(text))!.Failure.Reason, Is.EqualTo("is too large"));

    [TestCase(0ul, "0 B")]
    [TestCase(512ul, "512 B")]
    [TestCase(1023ul, "1023 B")]
    [TestCase(1024ul, "1 KiB")]
    [TestCase(1536ul, "1.5 KiB")]
    [TestCase(65536ul, "64 KiB")]
    [TestCase(1048575ul, "1 MiB")]
    [TestCase(13_631_488ul, "13 MiB")]
    [TestCase(104_857_600ul, "100 MiB")]
    [TestCase(ulong.MaxValue, "16 EiB")]
    public void SizesAreShownInThreeDigits(ulong bytes, string shown) => Assert.That(SizeText.Binary(bytes), Is.EqualTo(shown));

    [TestCase("0")]
    [TestCase("1048577")]
    [TestCase("x")]
    public void ASegmentBudgetIsANumberOfLines(string text) =>
        Assert.That(Assert.Throws<CliException>(() => NumberText.Segments(text))!.Failure.Code, Is.EqualTo(ExitCode.Usage));

    [TestCase("current/../out", "data/out")]
    [TestCase("current/../../out", "out")]
    [TestCase("data/../current/./out", "current/out")]
    [TestCase("current", "current")]
    [TestCase("current/..", "data")]
    [TestCase("none/../out", "out")]
    public void WhatIsAboveALinkIsAboveWhatItLeadsTo(string path, string leadsTo)
    {
        string scratch = Directory.CreateTempSubdirectory("cowctl-test-").FullName;
        Directory.CreateDirectory(Path.Combine(scratch, "data", "run7"));
        Directory.CreateSymbolicLink(Path.Combine(scratch, "current"), Path.Combine(scratch, "data", "run7"));
        Assert.That(DevicePath.Absolute("destination", Path.Combine(scratch, path)), Is.EqualTo(Path.Combine(scratch, leadsTo)));
        Directory.Delete(scratch, recursive: true);
    }

    [Test]
    public void ALayerIsAPathOrTwo()
    {
        Assert.Multiple(() =>
        {
            Assert.That(DevicePath.Layer("/a/b"), Is.EqualTo("/a/b"));
            Assert.That(DevicePath.Layer("/a/d,/a/b"), Is.EqualTo("/a/d,/a/b"));
            Assert.That(DevicePath.Layer("d,b"), Is.EqualTo($"{Path.GetFullPath("d")},{Path.GetFullPath("b")}"));
        });
    }
}
