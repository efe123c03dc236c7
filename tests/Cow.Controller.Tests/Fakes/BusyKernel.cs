// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A kernel whose user writes one chunk after the other for the first time, reads and flushes between. It leaves no garbage.</summary>
internal sealed class BusyKernel(ulong chunkSectors) : IFaultChannel
{
    private const int WritesAtOnce = 16;
    private const int Room = 1 << 12;

    private readonly Queue<CowEvent> _events = new(Room);
    private readonly Queue<(ulong Sector, ulong Count)> _pools = new(Room);
    private (ulong Sector, ulong Count) _pool;
    private ulong _next;
    private ulong _fault;
    private ulong _number;
    private bool _pictureTold;

    /// <summary>Places that were answered.</summary>
    public ulong Answered { get; private set; }

    /// <summary>Places that were taken from pools.</summary>
    public ulong Taken { get; private set; }

    /// <summary>All places up to this number are committed.</summary>
    public ulong Committed { get; private set; }

    public ExchangeResult Exchange(ReadOnlySpan<CowReply> replies, Span<CowEvent> events, int milliseconds)
    {
        foreach (ref readonly CowReply reply in replies)
        {
            Take(reply);
        }

        if (events.IsEmpty)
        {
            return new ExchangeResult(replies.Length, 0, Errno.None);
        }

        Access();
        int count = 0;
        for (; count < events.Length && _events.TryDequeue(out CowEvent e); count++)
        {
            events[count] = e;
        }

        return new ExchangeResult(replies.Length, count, Errno.None);
    }

    public void Wake()
    {
    }

    public void Dispose()
    {
    }

    private void Take(in CowReply reply)
    {
        switch (reply.Op)
        {
            case CowOp.Place:
                Answered += reply.Count;
                Tell(reply.Chunk, reply.Sector.Value);
                break;
            case CowOp.Flushed when reply.ErrorNumber == Errno.None:
                Committed = reply.Number;
                break;
            case CowOp.Grant:
                _pools.Enqueue((reply.Sector.Value, reply.Count));
                break;
            case CowOp.Known:
                break;
            default:
                throw new InvalidOperationException($"{reply.Op} was not expected");
        }
    }

    /// <summary>A flush of what is placed, and the next accesses behind it.</summary>
    private void Access()
    {
        _events.Enqueue(new CowEvent { Type = _pictureTold ? CowEventType.Flush : CowEventType.PictureEnd, Number = _number });
        _pictureTold = true;
        Ask(CowEventType.ReadFault, _next);
        for (int i = 0; i < WritesAtOnce; i++, _next++)
        {
            if (_pool.Count > 0 || _pools.TryDequeue(out _pool))
            {
                Taken++;
                Tell(_next, _pool.Sector);
                _pool = (_pool.Sector + chunkSectors, _pool.Count - 1);
            }
            else
            {
                Ask(CowEventType.WriteFault, _next);
            }
        }
    }

    private void Ask(CowEventType type, ulong chunk) => _events.Enqueue(new CowEvent
    {
        Type = type, Flags = type == CowEventType.WriteFault ? CowEventFlags.Unknown : CowEventFlags.None, Id = ++_fault, Chunk = chunk, Count = 1,
    });

    private void Tell(ulong chunk, ulong sector) => _events.Enqueue(new CowEvent
    {
        Type = CowEventType.Placed, Number = ++_number, Chunk = chunk, Count = 1, Device = CowProtocol.CowDevice, Sector = new Sectors(sector),
    });
}
