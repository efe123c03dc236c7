// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using Cow.Formats;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What a loop hands to the kernel, and when.</summary>
[TestFixture]
internal sealed class FaultLoopTests
{
    private const ulong Chunk = 8;
    private const ulong Sectors = 32 * Chunk;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    private ScriptedChannel _kernel = null!;
    private KillSwitch _killSwitch = null!;
    private Task<int> _gone = null!;

    [Test]
    public void AWakeEndsAWait()
    {
        using FaultLoop loop = Loop();
        loop.Start();
        Assert.That(loop.Loaded.Wait(Soon), Is.True);
        for (ulong id = 1; id <= 20; id++)
        {
            Assert.That(Say(loop, id).Wait(Soon), Is.True);
        }

        Assert.That(Ids(), Is.EqualTo(Enumerable.Range(1, 20)));
    }

    [Test]
    public void WhoAsksDuringAWaitIsAnsweredWithAllThatIsPlaced()
    {
        using FaultLoop loop = Loop();
        loop.Start();
        Assert.That(loop.Loaded.Wait(Soon), Is.True);
        Assert.That(() => _kernel.Calls.Waits, Is.EqualTo(2).After(20_000, 5), "it waits, its picture being read");
        _kernel.TellLater(new CowEvent { Type = CowEventType.Placed, Number = 1, Chunk = 3, Count = 2, Device = CowProtocol.CowDevice, Sector = new Sectors(5 * Chunk) });
        Task<ulong> asked = loop.Ask((engine, _) => engine.Status.UncommittedChunks);
        Assert.That(asked.Wait(Soon), Is.True);
        Assert.That(asked.Result, Is.EqualTo(2));
    }

    [Test]
    public void ARoundIsOneCall()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        int before = _kernel.Calls.All;
        for (ulong i = 0; i < 4; i++)
        {
            _kernel.Tell(new CowEvent { Type = CowEventType.WriteFault, Id = 10 + i, Chunk = i, Count = 1 });
            loop.Turn();
        }

        Assert.That(_kernel.Calls.All - before, Is.EqualTo(4));
        Assert.That(Ids(), Is.EqualTo([10, 11, 12]));
        loop.Send();
        Assert.That(Ids(), Is.EqualTo([10, 11, 12, 13]));
    }

    [Test]
    public void NoReplyIsSentTwiceWhereOneIsRefusedAndOneHasToBeTriedAgain()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        int busy = 3;
        _kernel.Refuse = reply => reply.Id switch
        {
            2 => Errno.ENOENT,
            4 when busy-- > 0 => Errno.ENOMEM,
            _ => Errno.None,
        };
        Task<bool> said = Say(loop, 1, 2, 3, 4, 5);
        loop.Turn();
        Assert.That(said.IsCompletedSuccessfully, Is.True);
        Assert.That(Ids(), Is.EqualTo([1, 3, 4, 5]));
    }

    [Test]
    public void NoReplyIsLostWhereOneCallDoesNotTakeThemAll()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        _kernel.Most = 2;
        Task<bool> said = Say(loop, 1, 2, 3, 4, 5);
        loop.Turn();
        Assert.That(said.IsCompletedSuccessfully, Is.True);
        Assert.That(Ids(), Is.EqualTo([1, 2, 3, 4, 5]));
    }

    [Test]
    public void NothingIsWaitedForBeforeWhatIsSaidInsteadOfARefusedReply()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        _kernel.Tell(new CowEvent { Type = CowEventType.WriteFault, Id = 7, Chunk = 0, Count = 1 });
        loop.Turn();
        _kernel.Refuse = reply => reply.Op == CowOp.Place ? Errno.EINVAL : Errno.None;
        int waits = _kernel.Calls.Waits;
        _kernel.Tell(new CowEvent { Type = CowEventType.ReadFault, Id = 8, Chunk = 1, Count = 1 });
        loop.Turn();
        CowReply last = _kernel.Accepted[^1];
        Assert.That((last.Op, last.Id, last.ErrorNumber), Is.EqualTo((CowOp.Error, 7UL, Errno.EIO)));
        Assert.That(_kernel.Calls.Waits - waits, Is.EqualTo(2), "with the refused reply, and with the last one");
    }

    [Test]
    public void ATakeoverEndsTheLoop()
    {
        using FaultLoop loop = Loop();
        loop.Start();
        Assert.That(loop.Loaded.Wait(Soon), Is.True);
        _kernel.Refuse = _ => Errno.ESTALE;
        Task<bool> said = Say(loop, 1);
        Assert.That(() => loop.Ended.Wait(Soon), Throws.InnerException.TypeOf<LinuxException>().With.InnerException.Property("Errno").EqualTo(Errno.ESTALE));
        Assert.That(() => said.Wait(Soon), Throws.InnerException.InstanceOf<OperationCanceledException>());
        Assert.That(loop.Detached, Is.True, "nobody tells it of a removal");
    }

    [Test]
    public void WhenTheLoopStopsNothingMoreIsSent()
    {
        FaultLoop loop = Loop();
        loop.Turn();
        Task<bool> said = Say(loop, 1);
        loop.Dispose();
        int calls = _kernel.Calls.All;
        loop.Turn();
        Assert.That((_kernel.Calls.All, said.IsCompleted), Is.EqualTo((calls, false)));
        Assert.That(Ids(), Is.Empty);
    }

    [Test]
    public void TheEndIsToldWhenTheKernelHasTheLastReply()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        Told(loop, Gone(3));
        Assert.That(_gone.Wait(Soon), Is.True);
        Assert.That(_gone.Result, Is.EqualTo(1));
        Assert.That((_kernel.Accepted[0].Op, _kernel.Accepted[0].Number), Is.EqualTo((CowOp.Flushed, 3UL)));
    }

    [Test]
    public void FromTheEndUntilSomethingComesADeviceMayGoWithoutAWord()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        Assert.That(loop.Detached, Is.False);
        Told(loop, Gone(3));
        Assert.That(loop.Detached, Is.True);
        loop.Ask((engine, _) => engine.Status);
        loop.Turn();
        Assert.That(loop.Detached, Is.True, "being asked changes nothing");
        Told(loop, Fault(1));
        Assert.That(loop.Detached, Is.False, "it has a line again");
    }

    [Test]
    public void AnEndIsNoticedAlsoWhereItIsNotToldAgain()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        Told(loop, Gone(3));
        Told(loop, Fault(1), Gone(4));
        Assert.That(loop.Detached, Is.True, "a line came and went within one round");
    }

    [Test]
    public void ADeviceWhoseLastCommitFailsMayBeGone()
    {
        using FaultLoop loop = Loop();
        loop.Turn();
        _killSwitch.Kill();
        Told(loop, Gone(3));
        Assert.That(_kernel.Accepted[^1].ErrorNumber, Is.EqualTo(Errno.EIO));
        Assert.That(loop.Detached, Is.True);
    }

    [Test]
    public void AFaultThatIsTriedAgainSaysNothingOfALine()
    {
        using FaultLoop loop = Loop(storeChunks: 16);
        loop.Turn();
        int held = 0;
        _kernel.Refuse = reply => reply.Op == CowOp.Hold && held++ == 0 ? Errno.EBUSY : Errno.None;
        for (ulong chunk = 0; held == 0 && chunk < Sectors / Chunk; chunk++)
        {
            Told(loop, new CowEvent { Type = CowEventType.WriteFault, Id = chunk + 1, Chunk = chunk, Count = 1 });
        }

        Assert.That(held, Is.Positive, "the store is full, and the kernel keeps the fault as it is");
        Told(loop, Gone(3));
        held = 0;
        _kernel.Refuse = reply =>
        {
            held += reply.Op == CowOp.Hold ? 1 : 0;
            return Errno.None;
        };
        loop.Ask((engine, replies) =>
        {
            engine.Retry(replies);
            return true;
        });
        loop.Turn();
        Assert.That(held, Is.Positive, "it is tried again");
        Assert.That(loop.Detached, Is.True);
    }

    private static CowEvent Gone(ulong number) => new() { Type = CowEventType.Gone, Number = number };

    private static CowEvent Fault(ulong id) => new() { Type = CowEventType.ReadFault, Id = id, Chunk = 1, Count = 1 };

    /// <summary>In one round.</summary>
    private void Told(FaultLoop loop, params CowEvent[] events)
    {
        Array.ForEach(events, _kernel.Tell);
        loop.Turn();
    }

    /// <summary>Has the loop send a HOLD for each.</summary>
    private static Task<bool> Say(FaultLoop loop, params ulong[] ids) => loop.Ask((_, replies) =>
    {
        Array.ForEach(ids, replies.Hold);
        return true;
    });

    private IEnumerable<ulong> Ids() => _kernel.Accepted.Where(reply => reply.Op is CowOp.Hold or CowOp.Place).Select(reply => reply.Id);

    /// <summary>Over an empty store, with its picture on the way.</summary>
    private FaultLoop Loop(long storeChunks = 64)
    {
        _kernel = new ScriptedChannel();
        _kernel.Tell(new CowEvent { Type = CowEventType.PictureEnd });
        _killSwitch = new KillSwitch();
        var store = new KillableFile(new MemoryDisk("cow", storeChunks * (long)Chunk * MemoryDisk.SectorBytes), _killSwitch);
        ICowFormat format = FormatRegistry.Find("snapshot")!.Create(
            new FormatFiles(store), new CreateOptions(Sectors * MemoryDisk.SectorBytes, (uint)Chunk));
        var geometry = new ChunkGeometry(Sectors, Chunk);
        var indices = new DeviceIndices(0, -1);
        var engine = new CowEngine(format, geometry, indices, new FakeSpace(store), NullLogger.Instance);
        var options = new FaultLoopOptions("fake", geometry, indices, FakeKernel.Generation, CowFeatures.None, BulkLoad: false, TimeSpan.FromHours(1));
        var gone = new TaskCompletionSource<int>();
        _gone = gone.Task;
        return new FaultLoop(_kernel, engine, format, options, NullLogger.Instance) { OnGone = () => gone.SetResult(_kernel.Accepted.Length) };
    }
}
