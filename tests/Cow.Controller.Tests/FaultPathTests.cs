// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Tests;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What it costs to answer, from the channel to the store and back.</summary>
[TestFixture]
internal sealed class FaultPathTests
{
    private const ulong Chunk = 8;
    private const ulong Sectors = 2048 * Chunk;
    private const ulong Bytes = Sectors * MemoryDisk.SectorBytes;

    /// <summary>A collection stops the thread that all of a device waits for.</summary>
    [TestCase("snapshot", false)]
    [TestCase("snapshot", true)]
    [TestCase("bitmap", false)]
    [TestCase("qcow2", false)]
    [TestCase("qcow2", true)]
    public void FaultsAndCommitsLeaveNoGarbage(string format, bool grants)
    {
        var store = new KillableFile(new MemoryFile(2 * (long)Bytes), new KillSwitch());
        bool image = FormatRegistry.Find(format) is null;
        using ICowFormat opened = image
            ? new FakeImage(format, store, MemoryDisk.Stamped("base", Sectors, firstToken: 1)).Open(create: true, Bytes)
            : FormatRegistry.Find(format)!.Create(new FormatFiles(store), new CreateOptions(Bytes, (uint)Chunk));
        var geometry = new ChunkGeometry(Sectors, Chunk);
        var indices = new DeviceIndices(0, image ? 0 : -1);
        var engine = new CowEngine(opened, geometry, indices, new FakeSpace(store), NullLogger.Instance);
        engine.Grants.Serve(grants ? CowFeatures.Grant : CowFeatures.None);
        var kernel = new BusyKernel(Chunk);
        var options = new FaultLoopOptions("fake", geometry, indices, FakeKernel.Generation, CowFeatures.None, BulkLoad: false, TimeSpan.FromHours(1));
        using var loop = new FaultLoop(kernel, engine, opened, options, NullLogger.Instance);

        long garbage = Garbage.Of(() =>
        {
            for (int i = 0; i < 8; i++)
            {
                loop.Turn();
            }
        });

        Assert.That((garbage, engine.Status.Problem), Is.EqualTo((0L, (string?)null)));
        Assert.That((kernel.Committed > 200, kernel.Answered > 200, kernel.Taken > 200), Is.EqualTo((true, !grants, grants)));
    }
}
