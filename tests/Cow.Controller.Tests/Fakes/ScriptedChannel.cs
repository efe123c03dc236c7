// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A kernel that tells what the test tells it, and notes what it is told. Its waits are waits.</summary>
internal sealed class ScriptedChannel : IFaultChannel
{
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _change = new(0);
    private readonly Queue<CowEvent> _events = [];
    private readonly Queue<CowEvent> _later = [];
    private readonly List<CowReply> _accepted = [];
    private bool _woken;

    /// <summary>Why a reply is refused; None accepts it.</summary>
    public Func<CowReply, Errno> Refuse { get; set; } = _ => Errno.None;

    /// <summary>Replies that one call takes.</summary>
    public int Most { get; set; } = int.MaxValue;

    /// <summary>How often it was called, and how often with room for events.</summary>
    public (int All, int Waits) Calls { get; private set; }

    public CowReply[] Accepted
    {
        get
        {
            lock (_gate)
            {
                return [.. _accepted];
            }
        }
    }

    public void Tell(CowEvent e)
    {
        lock (_gate)
        {
            _events.Enqueue(e);
        }

        _ = _change.Release();
    }

    /// <summary>As PLACED, to the next call that does not wait.</summary>
    public void TellLater(CowEvent e)
    {
        lock (_gate)
        {
            _later.Enqueue(e);
        }
    }

    public ExchangeResult Exchange(ReadOnlySpan<CowReply> replies, Span<CowEvent> events, int milliseconds)
    {
        Calls = (Calls.All + 1, Calls.Waits + (events.IsEmpty ? 0 : 1));
        for (int i = 0; i < replies.Length; i++)
        {
            Errno refused = i == Most ? Errno.None : Refuse(replies[i]);
            if (i == Most || refused != Errno.None)
            {
                return new ExchangeResult(i, 0, refused);
            }

            lock (_gate)
            {
                _accepted.Add(replies[i]);
            }
        }

        lock (_gate)
        {
            while (milliseconds == 0 && !events.IsEmpty && _later.TryDequeue(out CowEvent e))
            {
                _events.Enqueue(e);
            }
        }

        int count = 0;
        while (!events.IsEmpty && !Take(events, out count) && _change.Wait(milliseconds))
        {
        }

        return new ExchangeResult(replies.Length, count, Errno.None);
    }

    public void Wake()
    {
        lock (_gate)
        {
            _woken = true;
        }

        _ = _change.Release();
    }

    public void Dispose()
    {
    }

    /// <summary>True when the wait is over.</summary>
    private bool Take(Span<CowEvent> events, out int count)
    {
        lock (_gate)
        {
            bool woken = _woken;
            _woken = false;
            for (count = 0; count < events.Length && _events.TryDequeue(out CowEvent e); count++)
            {
                events[count] = e;
            }

            return woken || count > 0;
        }
    }
}
