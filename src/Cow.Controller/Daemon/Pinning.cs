// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Microsoft.Extensions.Logging;

namespace Cow.Controller.Daemon;

/// <summary>Makes this process one that never waits for a device that it serves. Starts it anew once: the runtime's threads exist before Main.</summary>
internal static class Pinning
{
    private const string Mark = "COWCTL_PINNED";
    private const int NeverKilled = -1000;

    /// <summary>Bounded, since all of it is locked into memory.</summary>
    private const string HeapLimit = "DOTNET_GCHeapHardLimit";

    /// <summary>128 MiB, in the hexadecimal that the runtime reads.</summary>
    private const string DefaultHeap = "8000000";

    /// <summary>Of a thread that asks for no other. The limit of the shell, 8 MiB as a rule, would be locked for each of the runtime's threads.</summary>
    private const ulong StackBytes = 512 << 10;

    private static readonly Dictionary<string, string?> Settings = new()
    {
        [Mark] = "1",
        [HeapLimit] = Environment.GetEnvironmentVariable(HeapLimit) ?? DefaultHeap,
        ["DOTNET_GCConserveMemory"] = "5",
        ["DOTNET_DbgEnableMiniDump"] = "0",
    };

    /// <summary>For one who starts a daemon: what <see cref="Begin"/> does is inherited, and one start of the runtime is spared. Where it is not
    /// allowed, the daemon finds that out itself.</summary>
    /// <param name="environment">The daemon's.</param>
    public static void Bequeath(IDictionary<string, string?> environment)
    {
        if (TryMark())
        {
            foreach ((string name, string? value) in Settings)
            {
                environment[name] = value;
            }
        }
    }

    /// <summary>First of all in Main, before anything costs time twice. Returns in the new image, or where it is not allowed: then Finish says so.</summary>
    public static void Begin()
    {
        if (Environment.GetEnvironmentVariable(Mark) is not null || !TryMark())
        {
            return;
        }

        try
        {
            ProcessPinning.ExecSelf([.. Environment.GetCommandLineArgs().Skip(1)], Settings);
        }
        catch (IOException)
        {
        }
    }

    /// <returns>All of it succeeded.</returns>
    public static bool Finish(ILogger log)
    {
        if (!ProcessPinning.IsIoFlusher)
        {
            DaemonLog.Warning(log, "not pinned: the process may not be marked as one that serves I/O (CAP_SYS_RESOURCE)");
        }

        bool locked = Try(log, ProcessPinning.LockMemory);
        return Try(log, ProcessPinning.DisableCoreDumps) && locked && ProcessPinning.IsIoFlusher;
    }

    /// <summary>What the runtime's threads must have before they exist.</summary>
    private static bool TryMark()
    {
        try
        {
            ProcessPinning.SetOomScore(NeverKilled);
            ProcessPinning.SetIoFlusher();
            ProcessPinning.LimitStacks(StackBytes);
            return true;
        }
        catch (IOException)
        {
        }
        catch (UnauthorizedAccessException)
        {
        }

        return false;
    }

    /// <summary>A machine that does not allow it is served all the same; <c>cowctl daemon status</c> says so.</summary>
    private static bool Try(ILogger log, Action act)
    {
        try
        {
            act();
            return true;
        }
        catch (IOException e)
        {
            DaemonLog.Warning(log, $"not pinned: {e.Message}");
        }
        catch (UnauthorizedAccessException e)
        {
            DaemonLog.Warning(log, $"not pinned: {e.Message}");
        }

        return false;
    }
}
