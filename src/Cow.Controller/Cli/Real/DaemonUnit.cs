// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Real;

/// <summary>The daemon as a service of systemd.</summary>
internal static class DaemonUnit
{
    public const string Name = "dm-cow.service";

    private static readonly string[] Directories =
        ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

    /// <summary>Whether systemd starts the daemon; else it is a process like any other.</summary>
    public static bool IsThere => Directory.Exists("/run/systemd/system") && Directories.Any(static where => File.Exists(Path.Combine(where, Name)));

    /// <summary>Whether it does so at boot.</summary>
    public static bool IsEnabled => Do("is-enabled").Code == 0;

    /// <summary>Runs systemctl on it.</summary>
    /// <returns>Its exit code, and what it said of a failure.</returns>
    public static (int Code, string Said) Do(string verb) => Tool.Run("systemctl", "--quiet", verb, Name);
}
