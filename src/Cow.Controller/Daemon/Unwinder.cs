// SPDX-License-Identifier: MIT
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>Undoes, in reverse, what was done towards a device that could not be finished.</summary>
internal sealed class Unwinder(ILogger log) : IDisposable
{
    private readonly Stack<(string What, Action Undo)> _steps = new();

    public void Add(string what, Action undo) => _steps.Push((what, undo));

    /// <summary>It is finished: nothing is undone.</summary>
    public void Keep() => _steps.Clear();

#pragma warning disable CA1031 // The first error is on its way to the operator; those of the way back are logged, and every step is tried.
    public void Dispose()
    {
        while (_steps.TryPop(out (string What, Action Undo) step))
        {
            try
            {
                step.Undo();
            }
            catch (Exception e)
            {
                DaemonLog.NotUndone(log, step.What, e.Message);
            }
        }
    }
#pragma warning restore CA1031
}
