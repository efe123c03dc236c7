// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What the kernel is told of a store at once. That all of it is told, and only what may be, CowEngineModelTests say.</summary>
[TestFixture]
internal sealed class BulkLoaderTests
{
    private const ulong Chunks = 1_000_000;

    [Test]
    public void OneRecordOfPlacesKeepsTheKernelFromNothingElseForLong()
    {
        using var store = new WalkedStore();
        var geometry = new ChunkGeometry(Chunks * store.Info.ChunkSectors, store.Info.ChunkSectors);
        var replies = new ReplyBuffer(geometry, new DeviceIndices(0, -1), generation: 1);
        var loader = new BulkLoader(geometry, [], rests: false);
        while (loader.Step(store, replies, records: 1))
        {
        }

        ulong next = 0;
        foreach (CowReply reply in replies.Replies)
        {
            Assert.That(
                (reply.Op, reply.Chunk, reply.Sector.Value), Is.EqualTo((CowOp.Map, next, next * store.Info.ChunkSectors)));
            Assert.That(reply.Count, Is.LessThanOrEqualTo(1UL << 18));
            next += reply.Count;
        }

        Assert.That(next, Is.EqualTo(Chunks));
    }
}
