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

    [Test]
    public void NoAreaIsAmongThem()
    {
        // Areas of 256 entries: chunks 1, 258 and 515.
        FreePlaces free = NewPlaces(400);
        Assert.Multiple(() =>
        {
            Assert.That(free.Take(250), Is.EqualTo((First, 250UL)));
            Assert.That(free.Take(9), Is.EqualTo((252UL, 6UL)), "up to the area");
            Assert.That(free.Take(1), Is.EqualTo((259UL, 1UL)), "behind it");
            free.Give(256, 2);
            free.Give(259, 1);
            free.GrowTo(600);
            Assert.That(free.Take(9), Is.EqualTo((256UL, 2UL)));
            Assert.That(free.Take(300), Is.EqualTo((259UL, 256UL)), "what was added adjoins");
            Assert.That(free.Take(300), Is.EqualTo((516UL, 84UL)));
        });
    }

    [Test]
    public void AreasAreSteppedOverOneAfterTheOther()
    {
        FreePlaces free = NewPlaces(600);
        Assert.Multiple(() =>
        {
            Assert.That(free.Take(300), Is.EqualTo((First, 256UL)));
            Assert.That(free.Take(300), Is.EqualTo((259UL, 256UL)));
            Assert.That(free.Take(9), Is.EqualTo((516UL, 9UL)));
        });
    }

    [Test]
    public void WhatIsFreeMayBeginWithAnArea()
    {
        FreePlaces free = NewPlaces(600);
        Assert.Multiple(() =>
        {
            Assert.That(free.Take(300), Is.EqualTo((First, 256UL)));
            Assert.That(free.TryTake(300), Is.True);
            Assert.That(free.Take(9), Is.EqualTo((259UL, 9UL)));
        });
    }

    [TestCase(100UL)]
    [TestCase(ulong.MaxValue)]
    public void NoneIsBehindTheStore(ulong chunk) => Assert.That(NewPlaces().TryTake(chunk), Is.False);

    private static FreePlaces NewPlaces(ulong chunks = 100)
    {
        FreePlaces free = new(new DmSnapshotGeometry(8));
        free.GrowTo(chunks);
        return free;
    }
}
