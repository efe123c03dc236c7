// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>Attach, picture and events.</summary>
internal sealed partial class FakeKernel
{
    private readonly List<CowEvent> _queue = [];
    private readonly List<CowEvent> _untold = [];
    private readonly HashSet<ulong> _asked = [];
    private ulong _epoch;
    private bool _controlled;
    private bool _pictureRead;

    /// <summary>No chunk is unknown.</summary>
    public bool Known => Array.TrueForAll(_chunks, chunk => chunk.State != FakeChunkState.Unknown);

    /// <summary>A new controller; the one before, if any, is detached.</summary>
    /// <param name="killSwitch">Ends it.</param>
    /// <param name="grants">It asks for that feature.</param>
    public FakeChannel Attach(KillSwitch killSwitch, bool grants = false)
    {
        _epoch++;
        _controlled = true;
        _pictureRead = false;
        _queue.Clear();
        _untold.Clear();
        _asked.Clear();
        PictureOfGrants(grants);
        foreach (FakeRun run in _copying.Concat(_faults).SelectMany(fault => fault.Runs))
        {
            _queue.Add(RunEvent(CowEventType.Answered, run) with { Flags = CowEventFlags.Picture });
        }

        foreach (FakeRun run in _uncommitted)
        {
            _queue.Add(RunEvent(CowEventType.Placed, run) with { Flags = CowEventFlags.Picture, Number = run.Number });
        }

        _queue.Add(new CowEvent { Type = CowEventType.PictureEnd, Number = _number });
        foreach (FakeFault fault in _faults)
        {
            fault.Held = false;
            TellFault(fault);
        }

        foreach ((ulong number, _) in _flushes)
        {
            AskFlush(number);
        }

        TellGone();
        return new FakeChannel(this, _epoch, killSwitch);
    }

    /// <summary>The file was closed.</summary>
    public void Detach(ulong epoch)
    {
        if (epoch == _epoch)
        {
            _controlled = false;
            _queue.Clear();
            _untold.Clear();
        }
    }

    /// <param name="epoch">Of the file that is read.</param>
    /// <param name="events">Get what fits.</param>
    /// <param name="all">Also places that nothing needs yet.</param>
    public int Read(ulong epoch, Span<CowEvent> events, bool all)
    {
        if (epoch != _epoch)
        {
            throw new LinuxException(Errno.ESTALE, "read", "fake");
        }

        if (all)
        {
            TellPlaced();
        }

        int count = Math.Min(events.Length, _queue.Count);
        for (int i = 0; i < count; i++)
        {
            bool aboutMode = ReadOnly && _queue[i].Type is (CowEventType.PictureEnd or CowEventType.Flush or CowEventType.Gone);
            events[i] = aboutMode ? _queue[i] with { Flags = _queue[i].Flags | CowEventFlags.ReadOnly } : _queue[i];
            _pictureRead |= _queue[i].Type == CowEventType.PictureEnd;
        }

        _queue.RemoveRange(0, count);
        return count;
    }

    private static CowEvent RunEvent(CowEventType type, FakeRun run) => new()
    {
        Type = type, Chunk = run.Chunk, Count = run.Count, Device = run.Device, Sector = new Sectors(run.Sector),
    };

    private void Tell(CowEvent e)
    {
        if (_controlled)
        {
            _queue.Add(e);
        }
    }

    /// <summary>A run is placed: the controller hears that there is one, and of which when something needs it.</summary>
    private void TellLater(FakeRun run)
    {
        if (!_controlled)
        {
            return;
        }

        _untold.Add(RunEvent(CowEventType.Placed, run) with { Number = run.Number });
        TellTaken();
    }

    private void TellTaken()
    {
        _ = _queue.RemoveAll(e => e.Type == CowEventType.Taken);
        Tell(new CowEvent { Type = CowEventType.Taken, Number = _number, Count = GrantsLeft });
    }

    /// <summary>Before what speaks of them.</summary>
    private void TellPlaced()
    {
        if (_untold.Count > 0)
        {
            _untold.ForEach(Tell);
            _untold.Clear();
            TellTaken();
        }
    }

    private void TellFault(FakeFault fault) => Tell(new CowEvent
    {
        Type = fault.Write ? CowEventType.WriteFault : CowEventType.ReadFault,
        Flags = fault.Write && fault.Unknown ? CowEventFlags.Unknown : CowEventFlags.None,
        Id = fault.Id,
        Chunk = fault.Chunk + fault.Answered,
        Count = fault.Count - fault.Answered,
    });

    private void TellGone()
    {
        if (Gone)
        {
            _ = _asked.Add(_number);
            TellPlaced();
            Tell(new CowEvent { Type = CowEventType.Gone, Number = _number });
        }
    }

    private void AskFlush(ulong number)
    {
        _ = _asked.Add(number);
        TellPlaced();
        Tell(new CowEvent { Type = CowEventType.Flush, Number = number });
    }

    private void ForgetQueuedFaults() =>
        _queue.RemoveAll(e => e.Type is CowEventType.WriteFault or CowEventType.ReadFault);
}
