// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Doctor;
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Real;

/// <summary>What is left on the machine that a daemon would serve.</summary>
internal static class MachineState
{
    /// <summary>Devices with a state file.</summary>
    public static IEnumerable<string> StateFiles(DaemonPaths paths) => JsonFiles(paths.Run);

    /// <summary>Devices that a daemon creates when it starts.</summary>
    public static IEnumerable<string> Configurations(DaemonPaths paths) => JsonFiles(paths.Configuration);

    /// <summary>What the module holds; nothing when it is not loaded.</summary>
    /// <param name="problem">Why a module that is loaded could not be asked.</param>
    public static IReadOnlyList<IdentFact> Idents(out string? problem)
    {
        problem = null;
        if (!KernelModule.IsLoaded)
        {
            return [];
        }

        try
        {
            return [.. CowChannel.List().Select(static entry => new IdentFact(
                entry.Ident, entry.State.HasFlag(CowState.Gone), entry.State.HasFlag(CowState.Controlled), entry.Uncommitted))];
        }
        catch (IOException e)
        {
            problem = e.Message;
            return [];
        }
    }

    private static IEnumerable<string> JsonFiles(string directory) => Directory.Exists(directory)
        ? Directory.EnumerateFiles(directory, "*.json").Select(static path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)
        : [];
}
