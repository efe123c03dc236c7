// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;

namespace Cow.Controller.Daemon;

/// <summary>Gives devices their ticks, on threads of the pool: one that hangs holds up no other, and gets no second tick meanwhile.</summary>
/// <remarks>
/// A device that has nothing to do costs no thread and no garbage: there may be a thousand, and a collection stops the threads of all, while faults wait.
/// </remarks>
/// <typeparam name="T">A device.</typeparam>
/// <param name="due">Whether there may be anything to do. Called on the thread that offers: it must neither wait nor allocate.</param>
/// <param name="tick">Does it.</param>
internal sealed class Ticker<T>(Predicate<T> due, Action<T> tick)
    where T : class
{
    private readonly ConcurrentDictionary<T, bool> _running = new();

    /// <summary>To be called now and then for each device.</summary>
    /// <returns>Its tick; null where nothing is due, or one runs still.</returns>
    public Task? Offer(T device) => due(device) && _running.TryAdd(device, true) ? Start(device) : null;

    // Apart: Offer would make the closure also where nothing is due.
    private Task Start(T device) => Task.Run(() =>
    {
        try
        {
            tick(device);
        }
        finally
        {
            _ = _running.TryRemove(device, out _);
        }
    });
}
