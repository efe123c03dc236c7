// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>Where the daemon keeps what it keeps. Tests point it at a scratch directory.</summary>
/// <param name="Run">State of live devices, socket and lock; gone after a reboot.</param>
/// <param name="Configuration">Devices to create at boot.</param>
/// <param name="Library">Fingerprints of bases: must survive a reboot.</param>
internal sealed record DaemonPaths(string Run, string Configuration, string Library)
{
    public static DaemonPaths Default { get; } = new("/run/dm-cow", "/etc/dm-cow", "/var/lib/dm-cow");

    public string Socket => Path.Combine(Run, "daemon.sock");

    public string Lock => Path.Combine(Run, "daemon.lock");

    /// <summary>Process id of the one that holds the lock.</summary>
    public string Pid => Path.Combine(Run, "daemon.pid");

    /// <summary>State of one device.</summary>
    public string StateOf(string name) => Path.Combine(Run, name + ".json");

    /// <summary>Boot-time configuration of one device.</summary>
    public string ConfigurationOf(string name) => Path.Combine(Configuration, name + ".json");

    /// <summary>Fingerprint of the base under one CoW device.</summary>
    public string FingerprintOf(string id) => Path.Combine(Library, id + ".json");

    /// <summary>Scratch file of one device; see <see cref="ScratchFile"/>.</summary>
    public string ScratchOf(string name) => Path.Combine(Library, name + ".scratch");
}
