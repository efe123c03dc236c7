// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Daemon;

/// <summary>
/// A device that should be up and is not: what a former daemon left and nobody could adopt yet, or what is configured and could not be created yet. It is
/// tried now and then, for what was in its way may go: a lock that somebody held, a disk that came late.
/// </summary>
/// <param name="spec">What it is.</param>
/// <param name="state">What a former daemon left of it; null where it is to be created.</param>
internal sealed class Pending(CreateSpec spec, DeviceState? state)
{
    private const long EveryMilliseconds = 3_000;

    private long _dueAt = long.MinValue;
    private volatile bool _isTried;

    public string Name => spec.Name;

    public CreateSpec Spec => spec;

    public DeviceState? State => state;

    /// <summary>Of the last try.</summary>
    public Failure? Failure { get; private set; }

    /// <summary>Why it is not up.</summary>
    public string Problem => (state is null ? "is not created" : "is not served") + Failure switch
    {
        null when _isTried => " yet: it is being opened, or what it lies on does not answer",
        null => " yet",
        { Object: var about, Reason: var reason } => about == Name ? $": {reason}" : $": {about}: {reason}",
    };

    /// <summary>Whether it is time to try.</summary>
    /// <param name="now">Milliseconds, of any beginning.</param>
    public bool IsDue(long now) => now >= Volatile.Read(ref _dueAt);

    /// <summary>Something has changed: it is time at once.</summary>
    public void Hurry() => Volatile.Write(ref _dueAt, long.MinValue);

    /// <summary>It is tried now.</summary>
    public void Tried() => _isTried = true;

    /// <summary>It was tried, in vain.</summary>
    /// <returns>Whether the reason is another one than last time, and so worth a line in the log.</returns>
    public bool Failed(Failure failure, long now)
    {
        bool news = Failure is null || (Failure.Object, Failure.Reason) != (failure.Object, failure.Reason);
        Failure = failure;
        _isTried = false;
        Volatile.Write(ref _dueAt, now + EveryMilliseconds);
        return news;
    }

    public RefusedException Refusal() => new(Failure?.Code ?? ExitCode.InUse, Name, Problem, Failure?.Cure ?? "try again in a moment");
}
