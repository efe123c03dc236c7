// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What an engine does when something is wrong, against the fake kernel.</summary>
[TestFixture]
internal sealed class CowEngineTests
{
    private const ulong Chunk = 8;
    private const ulong Sectors = 32 * Chunk;

    /// <summary>Of the base's first sector: more than any that is written.</summary>
    private const ulong BaseToken = 1000;

    private readonly MemoryDisk _base = MemoryDisk.Stamped("base", Sectors, BaseToken);

    [OneTimeTearDown]
    public void Discard() => _base.Dispose();

    [Test]
    public void WithPolicyErrorAWriterOfAFullStoreGetsEnospcAndTheRestGoesOn()
    {
        (FakeKernel kernel, FakeController controller) = Small(wait: false);
        List<FakeBio> writes = FillUp(kernel, controller);
        Assert.That(writes[0].Failed, Is.False);
        Assert.That(writes[^1].Failed, Is.True);
        Assert.That(writes[^1].Error, Is.EqualTo((int)Errno.ENOSPC));
        Assert.That(kernel.Read(0, 1).Result[0], Is.EqualTo(1));
        Assert.That(controller.Engine.Mode, Is.EqualTo(EngineMode.ReadWrite));
        FakeBio rewrite = kernel.Write(0, 1, 99);
        Assert.That(rewrite is { Done: true, Failed: false }, Is.True);
    }

    [Test]
    public void WritersThatGotEnospcAreForgotten()
    {
        (FakeKernel kernel, FakeController controller) = Small(wait: false);
        _ = FillUp(kernel, controller);
        int failed = 0;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 100_000; i++)
        {
            FakeBio write = kernel.Write(31 * Chunk, 1, 1);
            controller.Turn();
            failed += write is { Failed: true, Error: (int)Errno.ENOSPC } ? 1 : 0;
        }

        long kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(controller);
        Assert.That(failed, Is.EqualTo(100_000));
        Assert.That(kept, Is.LessThan(1 << 20));
    }

    [Test]
    public void WithPolicyWaitAWriterOfAFullHostGoesOnAfterRetry()
    {
        (FakeKernel kernel, FakeController controller) = Full();
        controller.Space.Full = true;
        FakeBio write = kernel.Write(0, 3 * Chunk, 5);
        controller.Turns(5);
        Assert.That(write.Done, Is.False);
        Assert.That(controller.Engine.WaitingForSpace, Is.True);
        Assert.That(kernel.Copies, Is.Zero, "no place was answered that cannot be kept");
        controller.Space.Full = false;
        _ = controller.Ask((engine, replies) =>
        {
            engine.Grow(replies);
            return true;
        });
        controller.Turns(3);
        kernel.EndCopy(0);
        Assert.That(write is { Done: true, Failed: false }, Is.True);
        Assert.That(controller.Engine.WaitingForSpace, Is.False);
    }

    /// <summary>On a file system that promises no blocks it is a copy that finds it full, and the kernel that holds the fault.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void WithPolicyErrorAWriterWhoseCopyFindsNoRoomGetsEnospcToo(bool grants)
    {
        MemoryDisk cow = Disk(64);
        var kernel = new FakeKernel(Sectors, Chunk, _base, cow);
        var controller = new FakeController(kernel, "snapshot", create: true, waitForSpace: false, grants, _base, cow);
        controller.Turns(4);
        FakeBio write = kernel.Write(0, 2 * Chunk, 5);
        controller.Turns(2);
        kernel.EndCopy(0, failWriting: true, Errno.ENOSPC);
        Assert.That(write.Done, Is.False);
        controller.Turns(3);
        Assert.That((write.Failed, write.Error, controller.Engine.WaitingForSpace), Is.EqualTo((true, (int)Errno.ENOSPC, false)));
        // There may be room by the next time.
        FakeBio again = Written(kernel, controller, Chunk, 6);
        Assert.That((again is { Done: true, Failed: false }, kernel.Read(Chunk, 1).Result[0]), Is.EqualTo((true, 6UL)));
        Assert.That((kernel.Faults, kernel.Violations.Count, controller.Engine.Mode), Is.EqualTo((0, 0, EngineMode.ReadWrite)));
    }

    [Test]
    public void WithPolicyWaitAWriterWhoseCopyFindsNoRoomGoesOnAfterRetry()
    {
        (FakeKernel kernel, FakeController controller) = Full();
        FakeBio write = kernel.Write(0, 2 * Chunk, 5);
        controller.Turns(2);
        kernel.EndCopy(0, failWriting: true, Errno.ENOSPC);
        controller.Turns(3);
        Assert.That((write.Done, controller.Engine.WaitingForSpace), Is.EqualTo((false, true)));
        _ = controller.Ask((engine, replies) =>
        {
            engine.Grow(replies);
            return true;
        });
        controller.Turns(3);
        kernel.EndCopy(0);
        Assert.That((write is { Done: true, Failed: false }, controller.Engine.WaitingForSpace), Is.EqualTo((true, false)));
        Assert.That(kernel.Violations, Is.Empty);
    }

    [Test]
    public void NothingIsTriedAgainBeforeThePictureIsComplete()
    {
        MemoryDisk cow = Disk(64);
        var kernel = new FakeKernel(Sectors, Chunk, _base, cow);
        var controller = new FakeController(kernel, "snapshot", create: true, waitForSpace: false, _base, cow);
        var replies = new ReplyBuffer(new ChunkGeometry(Sectors, Chunk), new DeviceIndices(0, -1), FakeKernel.Generation);
        controller.Engine.Handle(FailedInThePicture(Errno.ENOSPC), replies);
        Assert.That(replies.Count, Is.Zero);
        controller.Engine.Handle(new CowEvent { Type = CowEventType.PictureEnd, Flags = CowEventFlags.Picture }, replies);
        Assert.That((replies.Count, replies.Replies[0].Op), Is.EqualTo((1, CowOp.Retry)));
        controller.Engine.Handle(new CowEvent { Type = CowEventType.WriteFault, Id = 1, Chunk = 0, Count = 1 }, replies);
        Assert.That((replies.Count, replies.Replies[1].Op, replies.Replies[1].ErrorNumber), Is.EqualTo((2, CowOp.Error, Errno.ENOSPC)));
    }

    [Test]
    public void WhoAskedIsNotAnsweredBeforeTheKernelHasTheReply()
    {
        (_, FakeController controller) = Small(wait: false);
        controller.Turns(3);
        Task<bool> asked = controller.Ask((_, replies) =>
        {
            replies.Commit();
            return true;
        });
        controller.Switch.KillAfter(0);
        controller.Turn();
        Assert.That(controller.Switch.Dead, Is.True, "killed at the write of the reply");
        Assert.That(asked.IsCompleted, Is.False);
    }

    [Test]
    public void AFailedMetadataWriteFailsTheFlushAndTurnsTheDeviceReadOnly()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController controller) = On(cow, wait: true);
        FakeBio kept = Written(kernel, controller, 0, 7);
        FakeBio flushed = kernel.Flush();
        kernel.EndDeviceFlush();
        controller.Turns(2);
        Assert.That(flushed is { Done: true, Failed: false }, Is.True);

        FakeBio lost = Written(kernel, controller, 5 * Chunk, 8);
        FakeBio flush = kernel.Flush();
        kernel.EndDeviceFlush();
        cow.Broken = true;
        controller.Turns(2);
        Assert.That(flush is { Done: true, Failed: true }, Is.True);
        Assert.That(kernel.ReadOnly, Is.True);
        Assert.That(controller.Engine.Mode, Is.EqualTo(EngineMode.ReadOnly));
        Assert.That(controller.Engine.Status.Problem, Does.Contain("metadata"));
        cow.Broken = false;
        FakeBio refused = kernel.Write(9 * Chunk, 1, 9);
        controller.Turns(2);
        Assert.That(refused.Failed, Is.True);
        Assert.That(kernel.Read(0, 1).Result[0], Is.EqualTo(7), "what was durable reads on");
        Assert.That((kept.Failed, lost.Failed), Is.EqualTo((false, false)));
    }

    [Test]
    public void WhenTheKernelHasSteppedDownNothingIsCommittedAtTheEnd()
    {
        (FakeKernel kernel, FakeController controller) = Full();
        _ = Written(kernel, controller, 0, 7);
        kernel.StepDown();
        kernel.Remove();
        controller.Turns(2);
        Assert.That((controller.Engine.Mode, controller.Engine.Status.Commits), Is.EqualTo((EngineMode.ReadOnly, 0UL)));
        Assert.That(kernel.Uncommitted, Is.Not.Zero);
        Assert.That(controller.Engine.Status.Problem, Does.Contain("kernel"));
    }

    [Test]
    public void ACommitThatTheKernelRefusesTurnsTheEngineReadOnly()
    {
        (FakeKernel kernel, FakeController controller) = Full();
        _ = Written(kernel, controller, 0, 7);
        kernel.StepDown();
        _ = controller.Ask((_, replies) =>
        {
            replies.Commit();
            return true;
        });
        controller.Turns(2);
        Assert.That(controller.Engine.Mode, Is.EqualTo(EngineMode.ReadOnly));
        Assert.That(kernel.DeviceFlushes, Is.Zero);
    }

    [Test]
    public void APlaceThatCouldNotBeWrittenIsNotGivenOutAgain()
    {
        (FakeKernel kernel, FakeController controller) = Full();
        FakeBio first = kernel.Write(0, 1, 5);
        controller.Turns(2);
        kernel.EndCopy(0, failWriting: true);
        Assert.That(first.Failed, Is.True);
        ulong bad = kernel.ChunkAt(0).Sector;
        controller.Turn();
        _ = Written(kernel, controller, 0, 6);
        Assert.That(kernel.Read(0, 1).Result[0], Is.EqualTo(6));
        Assert.That(kernel.ChunkAt(0).Sector, Is.Not.EqualTo(bad));
        Assert.That(kernel.Violations, Is.Empty);
    }

    [Test]
    public void AChunkWhoseOnlyPlaceIsBadFailsAndNobodyWaits()
    {
        (FakeKernel kernel, FakeController controller) = On(Disk(64), wait: true, "bitmap");
        _ = kernel.Write(5 * Chunk, 1, 1);
        controller.Turns(2);
        kernel.EndCopy(0, failWriting: true);
        FakeBio again = Written(kernel, controller, 5 * Chunk, 2);
        FakeBio wide = kernel.Write(4 * Chunk, 3 * Chunk, 3);
        controller.Turns(2);
        Assert.That((again.Failed, again.Error, wide.Failed, wide.Error), Is.EqualTo((true, (int)Errno.EIO, true, (int)Errno.EIO)));
        Assert.That((kernel.Faults, kernel.Copies, controller.Engine.WaitingForSpace), Is.EqualTo((0, 0, false)));
        FakeBio beside = Written(kernel, controller, 4 * Chunk, 4);
        Assert.That((beside.Failed, kernel.Read(4 * Chunk, 1).Result[0], kernel.Read(5 * Chunk, 1).Result[0]), Is.EqualTo((false, 4UL, BaseToken + (5 * Chunk))));
        Assert.That((kernel.Violations.Count, controller.Engine.Mode), Is.EqualTo((0, EngineMode.ReadWrite)));
    }

    [Test]
    public void AStoreThatContradictsTheKernelIsNotServed()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController controller) = On(cow, wait: true);
        _ = Written(kernel, controller, 0, 7);
        controller.Switch.Kill();
        // Another store in its place, in which the chunk lives elsewhere.
        MemoryDisk other = Disk(64);
        var elsewhere = new FakeKernel(Sectors, Chunk, _base, other);
        var impostor = new FakeController(elsewhere, "snapshot", create: true, waitForSpace: true, _base, other);
        impostor.Turns(3);
        _ = Written(elsewhere, impostor, 9 * Chunk, 1);
        _ = Written(elsewhere, impostor, 0, 2);
        _ = elsewhere.Flush();
        elsewhere.EndDeviceFlush();
        impostor.Turns(2);

        var wrong = new FakeController(kernel, "snapshot", create: false, waitForSpace: true, _base, other);
        FakeBio read = kernel.Read(20 * Chunk, 1);
        wrong.Turns(3);
        Assert.That(wrong.Engine.Mode, Is.EqualTo(EngineMode.Failed));
        FakeBio write = kernel.Write(21 * Chunk, 1, 3);
        wrong.Turns(3);
        Assert.That(write.Failed, Is.True);
        Assert.That(read.Done, Is.True);
    }

    [Test]
    public void WhenTheLastLineGoesEverythingIsCommitted()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController controller) = On(cow, wait: true);
        _ = Written(kernel, controller, 3 * Chunk, 7);
        kernel.Remove();
        controller.Turns(2);
        Assert.That(kernel.Uncommitted, Is.Zero);
        Assert.That(controller.Engine.Gone, Is.True);
        kernel.Recreate();
        FakeBio read = kernel.Read(3 * Chunk, 1);
        controller.Turns(2);
        Assert.That(read.Result[0], Is.EqualTo(7));
        Assert.That(controller.Engine.Gone, Is.False);
    }

    [Test]
    public void ATakenOverLoopEndsWithoutAReply()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController old) = On(cow, wait: true);
        _ = new FakeController(kernel, "snapshot", create: false, waitForSpace: true, _base, cow);
        Assert.That(old.Turn, Throws.InstanceOf<LinuxException>().With.Property(nameof(LinuxException.Errno)).EqualTo(Errno.ESTALE));
    }

    [Test]
    public void ABulkLoadOfAWholeStoreNeedsOneKnown()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController controller) = On(cow, wait: true);
        for (ulong chunk = 0; chunk < 32; chunk += 2)
        {
            _ = Written(kernel, controller, chunk * Chunk, chunk + 1);
        }

        _ = kernel.Flush();
        kernel.EndDeviceFlush();
        controller.Turns(2);
        var fresh = new FakeKernel(Sectors, Chunk, _base, cow);
        var successor = new FakeController(fresh, "snapshot", create: false, waitForSpace: true, _base, cow);
        successor.Turns(3);
        Assert.That(successor.Loaded && fresh.Known, Is.True);
        Assert.That(fresh.Knowns, Is.EqualTo(1));
    }

    /// <summary>The kernel forgets all places with the last line of a table; or refuses one, of a damaged store, say. What covers their chunks would have them
    /// read as if they had none, and be placed once more.</summary>
    [Test]
    public void ALoadWhosePlacesDoNotHoldIsGivenUp([Values] bool forgotten)
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController controller) = On(cow, wait: true);
        _ = Written(kernel, controller, 3 * Chunk, 7);
        _ = Written(kernel, controller, 5 * Chunk, 8);
        _ = kernel.Flush();
        kernel.EndDeviceFlush();
        controller.Turns(2);
        var fresh = new FakeKernel(Sectors, Chunk, _base, cow);
        int places = 0;
        fresh.BeforeReply = op =>
        {
            places += op == CowOp.Map ? 1 : 0;
            bool rest = places == 2 && op != CowOp.Map;
            if (forgotten ? rest : places == 2 && op == CowOp.Map)
            {
                fresh.Remove();
            }
            if (rest)
            {
                fresh.Recreate();
                fresh.BeforeReply = null;
            }
        };
        var successor = new FakeController(fresh, "snapshot", create: false, waitForSpace: true, _base, cow);
        successor.Turns(3);
        Assert.That(fresh.BeforeReply, Is.Null, "there were not two places");
        Assert.That(successor.Loaded, Is.True);
        FakeBio[] reads = [fresh.Read(3 * Chunk, 1), fresh.Read(5 * Chunk, 1)];
        successor.Turns(2);
        Assert.That(reads.Select(read => read.Result[0]), Is.EqualTo([7, 8]));
    }

    [Test]
    public void WithGrantsFirstWritesNeedNoControllerAndTheNextOneAdoptsThem()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController dead) = Granted("snapshot", cow);
        FakeBio[] writes = [.. Enumerable.Range(0, 20).Select(i => kernel.Write((ulong)i * Chunk, 1, (ulong)i + 1))];
        for (int i = 0; i < 10; i++)
        {
            kernel.EndCopy(0);
        }

        dead.Switch.Kill();
        var next = new FakeController(kernel, "snapshot", create: false, waitForSpace: true, grants: true, _base, cow);
        while (kernel.Copies > 0)
        {
            kernel.EndCopy(kernel.Copies - 1);
        }

        Assert.That(Array.TrueForAll(writes, write => write is { Done: true, Failed: false }), Is.True);
        FakeBio flush = kernel.Flush();
        kernel.EndDeviceFlush();
        next.Turns(4);
        Assert.That((flush.Done, flush.Failed, kernel.Uncommitted), Is.EqualTo((true, false, 0)));
        Assert.That((kernel.Violations.Count, next.Engine.Mode, next.Engine.Status.Faults), Is.EqualTo((0, EngineMode.ReadWrite, 0UL)));
        Assert.That(next.Format.Check().Clean, Is.True);
        Assert.That(Enumerable.Range(0, 20).Select(i => kernel.Read((ulong)i * Chunk, 1).Result[0]), Is.EqualTo(Enumerable.Range(1, 20)));
    }

    /// <summary>The kernel is not told all of an image at once, and pools serve only chunks that it knows.</summary>
    [Test]
    public void TheFirstWriteToAnImageTellsWhatTheNextOnesReadFrom()
    {
        (FakeKernel kernel, FakeController controller) = Granted("qcow2", Disk(256));
        _ = Written(kernel, controller, 3 * Chunk, 1);
        FakeBio[] writes = [.. Enumerable.Range(4, 20).Select(i => kernel.Write((ulong)i * Chunk, 1, (ulong)i))];
        Assert.That((kernel.Faults, kernel.Taken), Is.EqualTo((0, 20)));
        while (kernel.Copies > 0)
        {
            kernel.EndCopy(0);
        }

        _ = kernel.Flush();
        kernel.EndDeviceFlush();
        controller.Turns(3);
        Assert.That(Array.TrueForAll(writes, write => write is { Done: true, Failed: false }), Is.True);
        Assert.That((kernel.Uncommitted, kernel.Violations.Count, controller.Engine.Status.Faults), Is.EqualTo((0, 0, 1UL)));
        Assert.That(controller.Format.Check().Clean, Is.True);
    }

    [Test]
    public void AControllerThatKnowsNoGrantsMayTakeOver()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController dead) = Granted("snapshot", cow);
        _ = kernel.Write(0, 1, 1);
        kernel.EndCopy(0);
        dead.Switch.Kill();
        var next = new FakeController(kernel, "snapshot", create: false, waitForSpace: true, _base, cow);
        next.Turns(3);
        _ = Written(kernel, next, 5 * Chunk, 2);
        Assert.That((kernel.GrantsLeft, kernel.Violations.Count, next.Engine.Mode), Is.EqualTo((0UL, 0, EngineMode.ReadWrite)));
        Assert.That(kernel.Read(5 * Chunk, 1).Result[0], Is.EqualTo(2));
    }

    [TestCase("snapshot")]
    [TestCase("bitmap")]
    [TestCase("qcow2")]
    public void WhatIsRevokedCanBeGrantedAgain(string format)
    {
        (FakeKernel kernel, FakeController controller) = Granted(format, Disk(64));
        ulong granted = kernel.GrantsLeft;
        _ = kernel.Read(0, 1);
        controller.Turns(2);
        FakeBio write = kernel.Write(0, 3 * Chunk, 1);
        _ = controller.Ask((engine, replies) => engine.Grants.Reclaim(replies));
        controller.Turns(2);
        Assert.That(controller.Engine.Grants.Revoking, Is.True, "a place that was taken is still being copied to");
        kernel.EndCopy(0);
        controller.Turns(2);
        Assert.That((write.Done, controller.Engine.Grants.Revoking, controller.Engine.Grants.Left, kernel.GrantsLeft), Is.EqualTo((true, false, 0UL, 0UL)));
        _ = controller.Ask((engine, _) =>
        {
            engine.Grants.Grew();
            return true;
        });
        controller.Turns(2);
        // The snapshot store grants all that it has left; the others as much as the disk has chunks.
        Assert.That(kernel.GrantsLeft, Is.EqualTo(format == "snapshot" ? granted - 3 : granted));
        Assert.That(kernel.Violations, Is.Empty);
    }

    [TestCase("snapshot")]
    [TestCase("bitmap")]
    public void APlaceThatWasOnlyHeardOfIsCommittedAndShown(string format)
    {
        (FakeKernel kernel, FakeController controller) = Granted(format, Disk(64));
        FakeBio write = kernel.Write(0, 2 * Chunk, 1);
        kernel.EndCopy(0);
        controller.Turns(2);
        Assert.That((write.Done, controller.Engine.NeedsCommit), Is.EqualTo((true, true)));
        Assert.That(controller.Engine.Status.UncommittedChunks, Is.Zero, "the kernel has not told which it is");
        Task<ulong> shown = controller.Ask((engine, _) => engine.Status.UncommittedChunks);
        controller.Turns(1);
        Assert.That(shown.Result, Is.EqualTo(2));
        kernel.Write(0, 1, 2);
        FakeBio flush = kernel.Flush();
        kernel.EndDeviceFlush();
        controller.Turns(2);
        Assert.That((flush.Done, controller.Engine.NeedsCommit, kernel.Uncommitted), Is.EqualTo((true, false, 0)));
    }

    [Test]
    public void WhoeverAttachesCommitsNothingThatWasCommittedBefore()
    {
        MemoryDisk cow = Disk(64);
        (FakeKernel kernel, FakeController controller) = Granted("snapshot", cow);
        _ = Written(kernel, controller, 0, 1);
        _ = kernel.Flush();
        kernel.EndDeviceFlush();
        controller.Turns(2);
        var next = new FakeController(kernel, "snapshot", create: false, waitForSpace: true, grants: true, _base, cow);
        next.Turns(2);
        Assert.That(next.Engine.PictureComplete, Is.True);
        // A pool runs low before what was taken from it is numbered.
        next.Engine.Handle(new CowEvent { Type = CowEventType.Taken, Number = 1, Count = kernel.GrantsLeft }, new ReplyBuffer(default, new DeviceIndices(0), 1));
        Assert.That(next.Engine.NeedsCommit, Is.False);
    }

    [TestCase("snapshot")]
    [TestCase("bitmap")]
    public void AGrantedPlaceThatCouldNotBeWrittenIsNotTriedAgain(string format)
    {
        (FakeKernel kernel, FakeController controller) = Granted(format, Disk(64));
        ulong granted = kernel.GrantsLeft;
        FakeBio write = kernel.Write(0, 1, 1);
        kernel.EndCopy(0, failWriting: true);
        ulong bad = kernel.ChunkAt(0).Sector;
        controller.Turns(2);
        Assert.That(write.Failed, Is.True);
        FakeBio again = kernel.Write(0, 1, 2);
        controller.Turns(2);
        if (format == "bitmap")
        {
            Assert.That((again.Failed, again.Error, kernel.Copies), Is.EqualTo((true, (int)Errno.EIO, 0)), "the place is fixed, and bad");
            Assert.That((kernel.GrantsLeft, controller.Engine.WaitingForSpace), Is.EqualTo((granted, false)), "more room would be of no help");
            return;
        }

        kernel.EndCopy(0);
        Assert.That(again.Failed, Is.False);
        Assert.That(kernel.ChunkAt(0).Sector, Is.Not.EqualTo(bad));
        _ = controller.Ask((engine, replies) => engine.Grants.Reclaim(replies));
        controller.Turns(2);
        Assert.That(controller.Format.Usage.PlacedChunks, Is.EqualTo(1));
        Assert.That(kernel.Violations, Is.Empty);
    }

    [Test]
    public void TheEndOfTheLastLineTakesGrantsBack()
    {
        (FakeKernel kernel, FakeController controller) = Granted("snapshot", Disk(64));
        _ = kernel.Write(0, 1, 1);
        kernel.EndCopy(0);
        kernel.Remove();
        controller.Turns(2);
        Assert.That((kernel.GrantsLeft, controller.Engine.Grants.Left, kernel.Uncommitted), Is.EqualTo((0UL, 0UL, 0)));
        Assert.That((controller.Engine.Gone, controller.Engine.Grants.Revoking), Is.EqualTo((true, false)));
        Assert.That(controller.Format.Usage.PlacedChunks, Is.EqualTo(1));
    }

    [Test]
    public void APlaceThatATableSwapMadeVoidIsFreeWhenTheChunkTakesAnother()
    {
        (FakeKernel kernel, FakeController controller) = Granted("snapshot", Disk(64), grantsFirst: false);
        FakeBio write = kernel.Write(0, 1, 1);
        // The answer is made, and meets a fault that the swap has taken away.
        kernel.BeforeWrite = () =>
        {
            kernel.BeforeWrite = null;
            kernel.SwapTable();
        };
        controller.Turn();
        controller.Engine.Grants.Serve(CowFeatures.Grant);
        kernel.ServesGrants = true;
        controller.Turns(1);
        Assert.That(kernel.GrantsLeft, Is.Not.Zero);
        kernel.SwapTable();
        kernel.EndCopy(0);
        controller.Turns(2);
        Assert.That(write is { Done: true, Failed: false }, Is.True);
        Assert.That((controller.Engine.Mode, controller.Format.Usage.PlacedChunks, kernel.Violations.Count), Is.EqualTo((EngineMode.ReadWrite, 1UL, 0)));
    }

    [Test]
    public void TooManyGrantsEndThemOnlyForAWhile()
    {
        MemoryDisk cow = Disk(64);
        var kernel = new FakeKernel(Sectors, Chunk, _base, cow) { GrantsFull = true };
        var controller = new FakeController(kernel, "snapshot", create: true, waitForSpace: true, grants: true, _base, cow);
        controller.Turns(4);
        Assert.That((kernel.GrantsLeft, controller.Engine.Grants.Left, controller.Engine.Mode), Is.EqualTo((0UL, 0UL, EngineMode.ReadWrite)));
        kernel.GrantsFull = false;
        controller.Engine.Grants.Grew();
        controller.Turns(2);
        Assert.That((kernel.GrantsLeft != 0, kernel.Violations.Count), Is.EqualTo((true, 0)));
    }

    [Test]
    public void APlaceThatFailedBeforeThePictureToldOfItIsNotGivenAgain()
    {
        (FakeKernel kernel, FakeController controller) = Granted("snapshot", Disk(64), grantsFirst: false);
        controller.Engine.Handle(FailedInThePicture(Errno.EIO), new ReplyBuffer(new ChunkGeometry(Sectors, Chunk), new DeviceIndices(0, -1), FakeKernel.Generation));
        FakeBio write = kernel.Write(0, 1, 1);
        controller.Turns(2);
        kernel.EndCopy(0);
        Assert.That(write is { Done: true, Failed: false }, Is.True);
        Assert.That((controller.Engine.Mode, kernel.ChunkAt(0).Sector), Is.EqualTo((EngineMode.ReadWrite, 3UL * Chunk)));
    }

    /// <summary>Chunk 0 at the first place of a snapshot store, whose chunk 0 is the header and chunk 1 the list.</summary>
    private static CowEvent FailedInThePicture(Errno error) => new()
    {
        Type = CowEventType.Failed, Flags = CowEventFlags.Picture | CowEventFlags.WriteSide, Chunk = 0, Count = 1, Device = CowProtocol.CowDevice,
        Sector = new Sectors(2 * Chunk), Error = error,
    };

    private (FakeKernel Kernel, FakeController Controller) Granted(string format, MemoryDisk cow, bool grantsFirst = true)
    {
        var kernel = new FakeKernel(Sectors, Chunk, _base, cow);
        var controller = new FakeController(kernel, format, create: true, waitForSpace: true, grantsFirst, _base, cow);
        controller.Turns(4);
        Assert.That(kernel.GrantsLeft != 0, Is.EqualTo(grantsFirst));
        return (kernel, controller);
    }

    private static MemoryDisk Disk(int chunks) => new("cow", chunks * (long)Chunk * MemoryDisk.SectorBytes);

    private static FakeBio Written(FakeKernel kernel, FakeController controller, ulong sector, ulong token)
    {
        FakeBio write = kernel.Write(sector, 1, token);
        controller.Turns(2);
        while (kernel.Copies > 0)
        {
            kernel.EndCopy(0);
        }

        controller.Turn();
        return write;
    }

    private static List<FakeBio> FillUp(FakeKernel kernel, FakeController controller) =>
        [.. Enumerable.Range(0, 32).Select(i => Written(kernel, controller, (ulong)i * Chunk, (ulong)i + 1))];

    private (FakeKernel Kernel, FakeController Controller) Full() => On(Disk(64), wait: true);

    private (FakeKernel Kernel, FakeController Controller) Small(bool wait) => On(Disk(16), wait);

    private (FakeKernel Kernel, FakeController Controller) On(MemoryDisk cow, bool wait, string format = "snapshot")
    {
        var kernel = new FakeKernel(Sectors, Chunk, _base, cow);
        var controller = new FakeController(kernel, format, create: true, wait, _base, cow);
        controller.Turns(3);
        Assert.That(controller.Loaded, Is.True);
        return (kernel, controller);
    }
}
