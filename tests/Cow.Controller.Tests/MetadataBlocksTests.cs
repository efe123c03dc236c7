// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Cow.Formats;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What of the metadata of an opened store gets blocks.</summary>
[TestFixture]
internal sealed class MetadataBlocksTests
{
    private const long Mebibyte = 1 << 20;

    private readonly NotedSpace _space = new();

    [Test]
    public void EveryRangeGetsBlocksAsFarAsTheFileReaches()
    {
        ByteRange[] told = [new(0, 4096), new(65536, 512), new(Mebibyte - 512, 65536), new(2 * Mebibyte, 4096)];
        Assert.That(Ensure(told, Mebibyte + 100), Is.True);
        Assert.That(_space.Noted, Is.EqualTo([told[0], told[1], new ByteRange(Mebibyte - 512, 512), new ByteRange(2 * Mebibyte, 0)]));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void WithoutRoomItSaysSo(bool broken)
    {
        (_space.Full, _space.Broken) = (true, broken);
        Assert.That(Ensure([new ByteRange(0, 4096)], Mebibyte), Is.False);
    }

    [Test]
    public void OnADeviceNothingIsAsked()
    {
        _space.HasAll = true;
        Assert.That(Ensure(Endless(), Mebibyte), Is.True);
        Assert.That(_space.Noted, Is.Empty);
    }

    /// <summary>An image may claim that tables lie anywhere in a file of exabytes.</summary>
    [TestCase(512, 1 << 16)]
    [TestCase(1 << 30, 4)]
    public void ItEndsSometime(long bytes, int ranges)
    {
        Assert.That(Ensure(Endless().Select(range => range with { Length = bytes }), long.MaxValue), Is.False);
        Assert.That(_space.Noted, Has.Count.EqualTo(ranges));
    }

    [SetUp]
    public void Forget() => (_space.Full, _space.Broken, _space.HasAll) = (false, false, false);

    [TearDown]
    public void Clear() => _space.Noted.Clear();

    private static IEnumerable<ByteRange> Endless()
    {
        for (long at = 0; ; at += 4L << 30)
        {
            yield return new ByteRange(at, 512);
        }
    }

    private bool Ensure(IEnumerable<ByteRange> told, long length)
    {
        using var store = new ScatteredPlaces { Metadata = told };
        return MetadataBlocks.Ensure(store, new SizedFile(length, canGrow: true), 0, _space);
    }

    private sealed class NotedSpace : ISpaceKeeper
    {
        public List<ByteRange> Noted { get; } = [];

        public bool Full { get; set; }

        public bool Broken { get; set; }

        public bool HasAll { get; set; }

        public bool Ensure(int device, ByteRange bytes)
        {
            Noted.Add(bytes);
            return Broken ? throw new LinuxException(Errno.EIO, "fallocate", "store") : !Full;
        }

        public void Fill(Place place, ReadOnlySpan<byte> data) => throw new NotSupportedException();

        public void FlushData() => throw new NotSupportedException();
    }
}
