// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli;

/// <summary>Brings up what a verb needs before the daemon can answer it.</summary>
internal interface IDaemonStarter
{
    /// <summary>Whether a daemon, once started, would find devices: otherwise a question need not start one.</summary>
    bool HasDevices { get; }

    /// <summary>On return a daemon answers.</summary>
    /// <exception cref="CliException">It could not be started, or the module is missing.</exception>
    void Start();

    /// <summary>From now on systemd starts the daemon at boot, where it is what starts it at all.</summary>
    /// <returns>Why it will not; null where it will, or where another system has to see to it.</returns>
    string? EnableAtBoot();

    /// <summary>Runs the daemon in this process until it is told to stop.</summary>
    int RunHere(bool takeover);

    /// <summary>On return the process that answered as <paramref name="pid"/> has ended.</summary>
    void AwaitEnd(int pid);
}
