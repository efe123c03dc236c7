// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>
/// Sends COMMIT now and then while something is uncommitted; and RETRY while writers wait for room that may appear by itself.
/// </summary>
/// <remarks>The kernel lets the loop hear of a place soon after it was taken, so a loop that has nothing to commit need not wake.</remarks>
internal sealed class CommitTimer(TimeSpan interval)
{
    /// <summary>For a moment that does not come.</summary>
    private const long Never = long.MaxValue;

    private static readonly long RetryEvery = (long)TimeSpan.FromSeconds(10).TotalMilliseconds;

    private readonly long _interval = Math.Max(1, (long)interval.TotalMilliseconds);
    private long _nextCommit = Never;
    private long _nextRetry = Never;

    /// <summary>How long the loop may wait; -1 without end.</summary>
    public int Timeout
    {
        get
        {
            long next = Math.Min(_nextCommit, _nextRetry);
            return next == Never ? -1 : (int)Math.Clamp(next - Environment.TickCount64, 0, int.MaxValue);
        }
    }

    /// <summary>Adds what is due. To be called whenever the engine has changed.</summary>
    public void Tick(CowEngine engine, ReplyBuffer replies)
    {
        if (IsDue(engine.NeedsCommit, ref _nextCommit, _interval))
        {
            replies.Commit();
        }

        if (IsDue(engine.WaitingForSpace, ref _nextRetry, RetryEvery))
        {
            engine.Retry(replies);
        }
    }

    /// <summary>At first a whole interval later, so that a burst shares one commit.</summary>
    private static bool IsDue(bool wanted, ref long next, long interval)
    {
        if (!wanted)
        {
            next = Never;
            return false;
        }

        long now = Environment.TickCount64;
        bool due = next <= now;
        if (due || next == Never)
        {
            next = now + interval;
        }

        return due;
    }
}
