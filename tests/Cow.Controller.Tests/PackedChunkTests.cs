// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What the engine does with chunks that no device holds as they are.</summary>
[TestFixture]
internal sealed class PackedChunkTests
{
    private static readonly ChunkGeometry Geometry = new(64 * 8, 8);

    private readonly MemoryDisk _image = new("image", 1 << 20);
    private PackedStore _store = null!;
    private FakeSpace _space = null!;
    private ReplyBuffer _replies = null!;

    [SetUp]
    public void Make()
    {
        _store = new PackedStore();
        _space = new FakeSpace(_image);
        _replies = new ReplyBuffer(Geometry, new DeviceIndices(0), 1);
    }

    [TearDown]
    public void Close() => _store.Dispose();

    [Test]
    public void AReadUnpacksTheChunkCommitsItAndMapsIt()
    {
        Engine().Handle(Fault(CowEventType.ReadFault, 7), _replies);
        Assert.That(_store.Calls, Is.EqualTo(["commit", "flush"]));
        Assert.That(_replies.Replies[0], Is.EqualTo(CowReply.Map(1, 7, 1, CowProtocol.CowDevice, new Sectors(156))));
        Assert.That(At(156), Is.EqualTo(7));
    }

    /// <summary>Its place may lie behind the end of the device. Nobody else would ever answer those who wait.</summary>
    [TestCase(CowEventType.ReadFault)]
    [TestCase(CowEventType.WriteFault)]
    public void AChunkWhosePlaceTheKernelHasNotFailsAndThoseBehindItDoNot(CowEventType type)
    {
        CowEngine engine = Engine();
        engine.Handle(Fault(CowEventType.ReadFault, 7), _replies);
        CowReply map = _replies.Replies[0];
        _replies.Clear();
        engine.Handle([Fault(type, 7)], _replies);
        Assert.That(_replies.Replies[0], Is.EqualTo(map));
        var instead = new ReplyBuffer(Geometry, new DeviceIndices(0), 1);
        engine.Refused(map with { Count = 9 }, Errno.EINVAL, instead);
        Assert.That(instead.Replies.ToArray(), Is.EqualTo(new[] { map }), "alone it may be in the device");
        instead.Clear();
        engine.Refused(map, Errno.EINVAL, instead);
        Assert.That(instead.Replies.ToArray(), Is.EqualTo(new[] { CowReply.Error(1, 1, Errno.EIO) }));
        instead.Clear();
        engine.Refused(map with { Chunk = 8 }, Errno.EINVAL, instead);
        Assert.That(instead.Count, Is.Zero, "nobody asked for it");
    }

    /// <summary>It may lie on no block of its device. Nobody else would ever answer those who wait.</summary>
    [Test]
    public void AChunkWhoseSourceTheKernelCannotReadFails()
    {
        using var file = new MemoryDisk("scratch", 64 * 4096);
        CowEngine engine = Engine(Scratch(file, chunks: 2));
        engine.Handle([Fault(CowEventType.ReadFault, 7)], _replies);
        CowReply known = _replies.Replies[0];
        Assert.That(known.Op, Is.EqualTo(CowOp.Known));
        var instead = new ReplyBuffer(Geometry, new DeviceIndices(0), 1);
        engine.Refused(known, Errno.EINVAL, instead);
        Assert.That(instead.Replies.ToArray(), Is.EqualTo(new[] { CowReply.Error(1, 1, Errno.EIO) }));
        Assert.That(engine.Status.Problem, Does.Contain("convert the image"));
        instead.Clear();
        engine.Refused(known with { Chunk = 8 }, Errno.EINVAL, instead);
        Assert.That(instead.Count, Is.Zero, "nobody asked for it");
    }

    [Test]
    public void AWriteFindsThePlaceFilledAndCommitsNothingYet()
    {
        Engine().Handle(Fault(CowEventType.WriteFault, 5), _replies);
        Assert.That(_store.Calls, Is.Empty);
        CowReply reply = _replies.Replies[0];
        Assert.That((reply.Op, reply.Fill, reply.Sector.Value), Is.EqualTo((CowOp.Place, CowFill.Nothing, 140UL)));
        Assert.That(At(140), Is.EqualTo(5));
    }

    [Test]
    public void WithoutRoomAReadWaitsAsAWriteDoes()
    {
        _store.Full = true;
        CowEngine engine = Engine();
        engine.Handle(Fault(CowEventType.ReadFault, 7), _replies);
        Assert.That(_replies.Replies[0].Op, Is.EqualTo(CowOp.Hold));
        Assert.That(engine.WaitingForSpace, Is.True);
    }

    [Test]
    public void GarbageFailsTheReadAndLeavesTheDeviceWritable()
    {
        _store.Garbage = true;
        CowEngine engine = Engine();
        engine.Handle(Fault(CowEventType.ReadFault, 7), _replies);
        Assert.That((_replies.Count, _replies.Replies[0].Op), Is.EqualTo((1, CowOp.Error)));
        Assert.That(engine.Mode, Is.EqualTo(EngineMode.ReadWrite));
        Assert.That(_store.Calls, Is.Empty);
    }

    /// <summary>The kernel keeps it uncommitted: a step down would be the end of that.</summary>
    [Test]
    public void WhatTheEngineHasNoMemoryForIsLeftToTheNextOne()
    {
        _store.MemoryIsUsedUp = true;
        CowEngine engine = Engine();
        var placed = new CowEvent { Type = CowEventType.Placed, Flags = CowEventFlags.Picture, Chunk = 7, Count = 1, Number = 1, Device = CowProtocol.CowDevice };
        Assert.That(() => engine.Handle([placed], _replies), Throws.InstanceOf<OutOfMemoryException>());
        Assert.That((engine.Mode, _replies.Count), Is.EqualTo((EngineMode.ReadWrite, 0)));
        Assert.That(RefusedException.Of(new InsufficientMemoryException(), "vm1").Code, Is.EqualTo(ExitCode.NoSpace));
    }

    [Test]
    public void ACommitThatFailsTurnsTheDeviceReadOnly()
    {
        _store.CommitFails = true;
        CowEngine engine = Engine();
        engine.Handle(Fault(CowEventType.ReadFault, 7), _replies);
        Assert.That((_replies.Count, _replies.Replies[0].Op), Is.EqualTo((1, CowOp.Error)));
        Assert.That(engine.Mode, Is.EqualTo(EngineMode.ReadOnly));
    }

    [Test]
    public void AReadOnlyImageIsUnpackedToTheScratchFileUntilThatIsFull()
    {
        var file = new MemoryDisk("scratch", 64 * 4096);
        CowEngine engine = Engine(Scratch(file, chunks: 2));
        foreach (ulong chunk in (ulong[])[3, 9, 4])
        {
            engine.Handle(Fault(CowEventType.ReadFault, chunk), _replies);
        }

        Assert.That(_store.Calls, Is.Empty);
        Assert.That(_replies.Replies[0], Is.EqualTo(CowReply.Known(1, 3, 1, new DeviceIndices(0).OfLayer(0), new Sectors(24))));
        Assert.That(_replies.Replies[1].Op, Is.EqualTo(CowOp.Known));
        Assert.That(_replies.Replies[2].Op, Is.EqualTo(CowOp.Error));
        byte[] sector = new byte[512];
        file.ReadAt(sector, 9 * 4096);
        Assert.That(sector, Is.All.EqualTo(9));
    }

    [Test]
    public void AChunkThatIsAskedForAgainTakesNoMoreOfTheScratchFile()
    {
        using var file = new MemoryDisk("scratch", 64 * 4096);
        CowEngine engine = Engine(Scratch(file, chunks: 2));
        foreach (ulong chunk in (ulong[])[3, 3, 3, 9, 4, 9])
        {
            engine.Handle(Fault(CowEventType.ReadFault, chunk), _replies);
        }

        Assert.That(Answers(), Is.EqualTo([CowOp.Known, CowOp.Known, CowOp.Known, CowOp.Known, CowOp.Error, CowOp.Known]));
    }

    [Test]
    public void WhatAFormerDaemonHadUnpackedIsCountedOnce()
    {
        using var file = new MemoryDisk("scratch", 64 * 4096);
        Engine(Scratch(file, chunks: 3)).Handle(Fault(CowEventType.ReadFault, 3), _replies);
        CowEngine next = Engine(Scratch(file, chunks: 3));
        foreach (ulong chunk in (ulong[])[3, 9, 4, 5])
        {
            next.Handle(Fault(CowEventType.ReadFault, chunk), _replies);
        }

        Assert.That(Answers(), Is.EqualTo([CowOp.Known, CowOp.Known, CowOp.Known, CowOp.Known, CowOp.Error]));
    }

    [Test]
    public void TheBottomOfAChainStandsAsTheBase()
    {
        // Two images below the top one, and a scratch file behind them.
        DeviceIndices chain = new(Layers: 2, BaseLayer: 1);
        Assert.That((chain.OfLayer(0), chain.OfLayer(1), chain.OfLayer(2)), Is.EqualTo((2U, CowProtocol.BaseDevice, 3U)));
        Assert.That(chain.OfOverlay(1), Is.EqualTo(4U));
    }

    private static CowEvent Fault(CowEventType type, ulong chunk) => new() { Type = type, Id = 1, Chunk = chunk, Count = 1, Flags = CowEventFlags.Unknown };

    private IEnumerable<CowOp> Answers() => _replies.Replies.ToArray().Select(reply => reply.Op);

    /// <summary>With room for some chunks. A chunk holds its number, so those that are there are not zero.</summary>
    private static ScratchFile Scratch(MemoryDisk file, int chunks) => new(file, 0, Geometry, () =>
    {
        byte[] bytes = new byte[file.Length];
        file.ReadAt(bytes, 0);
        return (chunks - bytes.Chunk(4096).Count(chunk => chunk[0] != 0)) * 4096L;
    });

    private CowEngine Engine(ScratchFile? scratch = null) =>
        new(_store, Geometry, new DeviceIndices(0), _space, NullLogger.Instance) { Scratch = scratch };

    private byte At(ulong sector)
    {
        byte[] bytes = new byte[512];
        _image.ReadAt(bytes, (long)sector * 512);
        return bytes[511];
    }
}
