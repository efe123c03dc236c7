// SPDX-License-Identifier: MIT
using Cow.DmIoctl;

namespace Cow.Controller.Daemon;

/// <summary>
/// Sends COMMIT now and then while something is, or may soon be, uncommitted; and RETRY while writers wait for room that may appear by itself.
/// </summary>
/// <remarks>
/// PLACED does not wake the loop: after a PLACE was sent the timer ticks until nothing has happened for a while, however long the copy takes.
/// A COMMIT with nothing uncommitted costs one call.
/// </remarks>
internal sealed class CommitTimer(TimeSpan interval)
{
    private static readonly long Quiet = (long)TimeSpan.FromSeconds(60).TotalMilliseconds;
    private static readonly long RetryEvery = (long)TimeSpan.FromSeconds(10).TotalMilliseconds;

    private readonly long _interval = Math.Max(1, (long)interval.TotalMilliseconds);
    private long _activeUntil;
    private long _nextCommit;
    private long _nextRetry = long.MaxValue;

    /// <summary>How long the loop may wait; -1 without end.</summary>
    public int Timeout(CowEngine engine)
    {
        long now = Environment.TickCount64;
        long next = long.MaxValue;
        if (Ticking(engine, now))
        {
            next = _nextCommit;
        }

        if (engine.WaitingForSpace)
        {
            next = Math.Min(next, _nextRetry);
        }

        return next == long.MaxValue ? -1 : (int)Math.Clamp(next - now, 0, int.MaxValue);
    }

    public void Saw(ReadOnlySpan<CowEvent> events)
    {
        foreach (ref readonly CowEvent e in events)
        {
            if (e.Type is CowEventType.Placed or CowEventType.Answered)
            {
                Activity();
                return;
            }
        }
    }

    public void Sends(ReadOnlySpan<CowReply> replies)
    {
        foreach (ref readonly CowReply reply in replies)
        {
            if (reply.Op == CowOp.Place)
            {
                Activity();
                return;
            }
        }
    }

    public void Tick(CowEngine engine, ReplyBuffer replies)
    {
        long now = Environment.TickCount64;
        if (Ticking(engine, now) && now >= _nextCommit)
        {
            _nextCommit = now + _interval;
            replies.Commit();
        }

        if (!engine.WaitingForSpace)
        {
            _nextRetry = long.MaxValue;
        }
        else if (_nextRetry == long.MaxValue)
        {
            _nextRetry = now + RetryEvery;
        }
        else if (now >= _nextRetry)
        {
            _nextRetry = now + RetryEvery;
            engine.Retry(replies);
        }
    }

    private bool Ticking(CowEngine engine, long now) =>
        engine.NeedsCommit || (now < _activeUntil && engine.Mode == EngineMode.ReadWrite);

    private void Activity()
    {
        long now = Environment.TickCount64;
        if (now >= _activeUntil)
        {
            // The first for a while: it gets a whole interval, so that a burst shares one commit.
            _nextCommit = now + _interval;
        }

        _activeUntil = now + Quiet;
    }
}
