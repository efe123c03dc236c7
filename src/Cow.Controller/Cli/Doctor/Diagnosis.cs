// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Doctor;

/// <summary>From facts to findings. Looks at nothing itself.</summary>
internal static class Diagnosis
{
    // 6.1 and 6.12 are tested; older ones lack parts of the interface that the module is written against.
    private static readonly Version OldestKernel = new(6, 1);

    /// <summary>Judges.</summary>
    /// <param name="facts">The machine.</param>
    /// <param name="daemon">The daemon about itself; null when it does not run.</param>
    /// <param name="devices">The devices that it serves.</param>
    /// <param name="daemonProblem">Why a daemon that runs could not be asked.</param>
    public static IReadOnlyList<Finding> Judge(
        MachineFacts facts, DaemonReport? daemon, IReadOnlyList<DeviceReport> devices, Failure? daemonProblem) =>
        [
            .. Kernel(facts),
            .. Daemon(facts, daemon, daemonProblem),
            .. daemonProblem is null ? Orphans(facts, daemon, devices) : [],
            .. Strangers(facts),
            .. NotAtBoot(facts),
            .. Idents(facts),
            .. Loops(facts),
            .. Devices(devices),
        ];

    private static IEnumerable<Finding> Kernel(MachineFacts facts)
    {
        if (KernelVersion(facts.Kernel) is { } version && version < OldestKernel)
        {
            yield return new Finding($"kernel {facts.Kernel}", "is older than any that dm-cow was tested on", $"boot {OldestKernel} or newer");
        }

        if (facts.DeviceMapper is null)
        {
            yield return new Finding("device-mapper", "is not in this kernel or not loaded", "run \"modprobe dm-mod\"");
        }
        else if (!facts.ModuleLoaded)
        {
            yield return new Finding("module dm-cow", "is not loaded", "run \"modprobe dm-cow\"; create does so by itself");
        }
        else if (facts.ChannelProblem is not null)
        {
            yield return new Finding("/dev/dm-cow", facts.ChannelProblem, "install module and cowctl of one version and load the module again");
        }
        else if (facts.Targets.Count == 0)
        {
            yield return new Finding("module dm-cow", "is loaded but has no targets", "see the kernel log (dmesg)");
        }
    }

    private static IEnumerable<Finding> Daemon(MachineFacts facts, DaemonReport? daemon, Failure? problem)
    {
        if (problem is not null)
        {
            yield return new Finding("daemon", problem.Reason, problem.Cure);
        }
        else if (daemon is null && (Ours(facts).Any() || facts.StateFiles.Count > 0))
        {
            yield return new Finding("daemon", "does not run though there are devices, so first writes wait", "run \"cowctl list\": it starts it");
        }
        else if (daemon is { Pinned: false })
        {
            yield return new Finding(
                "daemon", "is not pinned in memory, so it may wait for its own devices when memory is short", "allow it to lock memory (ulimit -l)");
        }

        if (daemon is not null && daemon.Version != ProductVersion.Text)
        {
            yield return new Finding(
                "daemon", $"is version {daemon.Version}, this cowctl is {ProductVersion.Text}", "run \"cowctl daemon stop\"; devices stay");
        }
    }

    private static IEnumerable<Finding> Orphans(MachineFacts facts, DaemonReport? daemon, IReadOnlyList<DeviceReport> devices)
    {
        HashSet<string> served = [.. devices.Select(static device => device.Name)];
        HashSet<string> stated = [.. facts.StateFiles];
        foreach (MappedFact fact in facts.Mapped)
        {
            // Without a daemon the state file says who will be served once there is one.
            if (fact.Device is { } device && !(daemon is not null ? served : stated).Contains(device))
            {
                yield return new Finding(
                    fact.Name,
                    $"was made by cowctl as {device}, but the daemon does not know it",
                    $"run \"dmsetup remove {fact.Name}\", and create it again with cowctl");
            }
        }

        HashSet<string> mapped = [.. Ours(facts)];
        foreach (string name in facts.StateFiles.Where(name => !mapped.Contains(name) && !served.Contains(name)))
        {
            yield return new Finding(
                name, "has a state file under /run/dm-cow but no device", $"run \"cowctl remove {name}\", or create it again");
        }
    }

    /// <summary>Devices that somebody made with our target, and whose controller is not there.</summary>
    private static IEnumerable<Finding> Strangers(MachineFacts facts)
    {
        if (facts.ChannelProblem is not null)
        {
            // Nobody knows what is controlled.
            yield break;
        }

        HashSet<string> controlled = [.. facts.Idents.Where(static ident => ident.Controlled).Select(static ident => ident.Name)];
        foreach (MappedFact fact in facts.Mapped.Where(fact => fact.Device is null && !controlled.IsSupersetOf(fact.Idents)))
        {
            yield return new Finding(
                fact.Name, "has a cow table but no controller, and is not cowctl's", $"start its controller, or run \"dmsetup remove {fact.Name}\"");
        }
    }

    private static IEnumerable<Finding> NotAtBoot(MachineFacts facts) => facts.NotAtBoot.Select(static name => new Finding(
        name, "is to be there at boot, but systemd does not start the daemon then", "run \"systemctl enable dm-cow\""));

    private static IEnumerable<string> Ours(MachineFacts facts) => facts.Mapped.Select(static fact => fact.Device).OfType<string>();

    private static IEnumerable<Finding> Idents(MachineFacts facts)
    {
        foreach (IdentFact ident in facts.Idents.Where(static ident => ident.Gone && ident.Uncommitted > 0))
        {
            yield return new Finding(
                ident.Name,
                $"was removed with {ident.Uncommitted} runs of changes that are not yet in its store",
                facts.StateFiles.Contains(ident.Name)
                    ? "run \"cowctl list\": the daemon commits them when it starts"
                    : "they are in the kernel until their own controller commits them; cowctl has no record of the device");
        }

        // Others have a controller of their own, which is not ours to start.
        HashSet<string> ours = [.. Ours(facts)];
        foreach (IdentFact ident in facts.Idents.Where(ident => !ident.Gone && !ident.Controlled && ours.Contains(ident.Name)))
        {
            yield return new Finding(ident.Name, "has no controller, so first writes wait", "run \"cowctl list\": it starts the daemon");
        }
    }

    private static IEnumerable<Finding> Loops(MachineFacts facts) => facts.LostLoops.Select(static loop => new Finding(
        loop.Device,
        $"its file {loop.File} is gone" + (loop.Users.Count > 0 ? $" while {string.Join(", ", loop.Users)} uses it" : ""),
        loop.Users.Count > 0 ? "copy the data away before the device is removed" : $"run \"losetup -d {loop.Device}\""));

    private static IEnumerable<Finding> Devices(IReadOnlyList<DeviceReport> devices)
    {
        foreach (DeviceReport device in devices)
        {
            if (device.Problem is not null)
            {
                yield return new Finding(device.Name, device.Problem, $"see \"cowctl status {device.Name}\"");
            }

            if (device.WaitingForSpace)
            {
                yield return new Finding(device.Name, "is full and writers wait", $"run \"cowctl extend {device.Name} SIZE\"");
            }
        }
    }

    // "6.12.43+deb12-cloud-amd64" is 6.12.
    private static Version? KernelVersion(string release)
    {
        string[] parts = release.Split('.', '-', '+');
        return parts.Length > 1 && Version.TryParse($"{parts[0]}.{parts[1]}", out Version? version) ? version : null;
    }
}
