// SPDX-License-Identifier: MIT
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>The one setter of a device's mode, which only goes down, and the count of what went wrong.</summary>
internal sealed class Ladder(ILogger log)
{
    public EngineMode Mode { get; private set; }

    /// <summary>Why the mode is what it is, or else what was odd first; null when all is well.</summary>
    public string? Problem { get; private set; }

    /// <summary>Things that went wrong.</summary>
    public ulong Errors { get; private set; }

    public void StepDown(EngineMode mode, string problem)
    {
        Errors++;
        if (mode <= Mode)
        {
            return;
        }

        Mode = mode;
        Problem = problem;
        EngineLog.SteppedDown(log, mode, problem);
    }

    /// <summary>Something odd that leaves the device as it is.</summary>
    public void Trouble(string what)
    {
        Errors++;
        Problem ??= what;
        EngineLog.Trouble(log, what);
    }

    /// <summary>A copy failed: the kernel has told those who waited for it.</summary>
    public void CopyFailed(string what)
    {
        Errors++;
        EngineLog.Trouble(log, what);
    }
}
