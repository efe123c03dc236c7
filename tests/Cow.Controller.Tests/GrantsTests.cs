// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Cow.Formats;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Free space in more pieces than the kernel takes as grants.</summary>
[TestFixture]
internal sealed class GrantsTests
{
    /// <summary>PROTOCOL.md section 10.</summary>
    private const ulong KernelTakes = 16384;

    private static readonly ChunkGeometry Geometry = new(1UL << 22, 8);

    private readonly ReplyBuffer _replies = new(Geometry, new DeviceIndices(0), 1);
    private readonly List<PlaceGrant> _handed = [];
    private ScatteredPlaces _store = null!;
    private Grants _grants = null!;

    [SetUp]
    public void SetUp()
    {
        _store = new ScatteredPlaces();
        _grants = new Grants(_store, new FakeSpace(new MemoryDisk("cow", 4096)), Geometry);
        _grants.Serve(CowFeatures.Grant);
    }

    [TearDown]
    public void TearDown() => _store.Dispose();

    [Test]
    public void FreeSpaceInManyPiecesIsHandedOutByAndBy()
    {
        ulong handed = 0;
        for (int round = 0; round < 50; round++)
        {
            ulong more = TopUp(round);
            handed += more;
            Assert.That(_grants.Left, Is.LessThanOrEqualTo(KernelTakes / 4), "more than leaves room for those that are not committed");
            Assert.That(TopUp(round), Is.Zero, "the kernel has used none of them");
            Take(_grants.Left / 2);
        }

        Assert.That(handed, Is.GreaterThan(2 * KernelTakes), "the kernel gets as many as it uses");
    }

    [Test]
    public void WhatTheKernelHasNoRoomForIsHandedOutLater()
    {
        ulong handed = TopUp(0);
        int free = _store.Free;
        for (int i = 0; i < 100; i++)
        {
            _grants.Refused(_handed[^(i + 1)], Errno.E2BIG);
        }

        Assert.That((_grants.Left, _store.Free), Is.EqualTo((handed - 100, free + 100)));
        Take(_grants.Left);
        Assert.That(TopUp(1), Is.Zero, "it is left alone for a while");
        Assert.That(TopUp(40_000), Is.GreaterThan(100));
    }

    [Test]
    public void WhatTheKernelHasTakenAndNotToldOfIsNotCountedTwice()
    {
        TopUp(0);
        ulong held = _grants.Left;
        _grants.Heard(held / 4);
        Assert.That(TopUp(2000), Is.Not.Zero, "it has used more than half");
        ulong more = _grants.Left - held;
        _grants.Heard((held / 4) + more);
        Take(held - (held / 4));
        Assert.That((TopUp(4000), _grants.Left), Is.EqualTo((0UL, (held / 4) + more)), "nothing was taken since");
    }

    [Test]
    public void WhatIsRefusedForAnotherReasonIsNotHandedOutAgain()
    {
        TopUp(0);
        _grants.Refused(_handed[^1], Errno.EINVAL);
        Take(_grants.Left);
        Assert.That(TopUp(1), Is.Zero);
    }

    private ulong TopUp(long now)
    {
        _replies.Clear();
        _handed.Clear();
        _grants.TopUp(_replies, now);
        foreach (CowReply reply in _replies.Replies)
        {
            _handed.Add(new PlaceGrant(PlaceGrant.AnyChunk, reply.Count, new Place(0, reply.Sector.Value), default));
        }

        return (ulong)_replies.Count;
    }

    private void Take(ulong places) => _grants.Took([new PlacedRun(new ChunkRun(0, places), default)]);
}
