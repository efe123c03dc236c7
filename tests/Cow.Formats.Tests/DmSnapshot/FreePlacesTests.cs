// SPDX-License-Identifier: MIT
using Cow.Formats.DmSnapshot;

namespace Cow.Formats.Tests.DmSnapshot;

[TestFixture]
internal sealed class FreePlacesTests
{
    private const ulong First = DmSnapshotGeometry.FirstDataChunk;

    [Test]
    public void WhatWasGivenOutInPartIsTakenByName()
    {
        FreePlaces free = NewPlaces();
        Assert.Multiple(() =>
        {
            Assert.That(free.Take(3), Is.EqualTo((First, 3UL)));
            Assert.That(free.TryTake(First + 5), Is.True);
            Assert.That(free.TryTake(First + 2), Is.False);
            Assert.That(free.Take(9), Is.EqualTo((First + 3, 2UL)));
            Assert.That(free.Take(2), Is.EqualTo((First + 6, 2UL)));
        });
    }

    [Test]
    public void TheLowestGoFirst()
    {
        FreePlaces free = NewPlaces();
        _ = free.Take(5);
        free.Give(First + 1, 2);
        Assert.Multiple(() =>
        {
            Assert.That(free.Take(9), Is.EqualTo((First + 1, 2UL)));
            Assert.That(free.Take(1), Is.EqualTo((First + 5, 1UL)));
        });
    }

    private static FreePlaces NewPlaces()
    {
        FreePlaces free = new(new DmSnapshotGeometry(8));
        free.GrowTo(100);
        return free;
    }
}
