// SPDX-License-Identifier: MIT
using System.ComponentModel;
using System.Diagnostics;
using Cow.Controller.Daemon;

namespace Cow.Controller.Cli.Real;

/// <summary>Starts the daemon: through systemd where its unit is installed, else as a process of its own session.</summary>
internal sealed class DaemonStarter(DaemonPaths paths, IDaemonClient client) : IDaemonStarter
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public bool HasDevices => MachineState.StateFiles(paths).Any() || MachineState.Configurations(paths).Any() || MachineState.Idents(out _).Count > 0;

    private string Log => Path.Combine(paths.Run, "daemon.log");

    public void Start()
    {
        KernelModule.Load();
        if (DaemonUnit.IsThere)
        {
            StartUnit();
        }
        else
        {
            using Process daemon = Spawn();
            AwaitSocket(daemon);
        }
    }

    public string? EnableAtBoot()
    {
        if (!DaemonUnit.IsThere)
        {
            return null;
        }

        (int code, string said) = DaemonUnit.Do("enable");
        return code == 0 ? null : said;
    }

    public int RunHere(bool takeover) => CowDaemon.Run(takeover, CancellationToken.None);

    public void AwaitEnd(int pid)
    {
        try
        {
            using Process process = Process.GetProcessById(pid);
            if (process.WaitForExit(Patience))
            {
                return;
            }
        }
        catch (ArgumentException)
        {
            // It has ended already.
            return;
        }

        throw new CliException(
            ExitCode.NoDaemon, "daemon", $"process {pid} has not ended within {Patience.TotalSeconds} s", $"see {Log}, or run \"kill -9 {pid}\": devices stay");
    }

    private void StartUnit()
    {
        (int code, string said) = DaemonUnit.Do("start");
        if (code != 0 || !client.IsRunning)
        {
            throw new CliException(
                ExitCode.NoDaemon, "daemon", said.Length > 0 ? $"systemd cannot start it ({said})" : "systemd cannot start it", $"see \"journalctl -u {DaemonUnit.Name}\"");
        }
    }

    // The shell opens the log, setsid keeps a closed terminal from ending the daemon, nice gives it the unit's priority; all become the daemon, so that
    // its end is seen here.
    private Process Spawn()
    {
        _ = Directory.CreateDirectory(paths.Run, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string self = Environment.ProcessPath
            ?? throw new CliException(ExitCode.Internal, "daemon", "the path of cowctl is not known", "run \"cowctl daemon run\" yourself");
        ProcessStartInfo start = new(
            "/bin/sh", ["-c", "cd / && umask 077 && exec setsid nice -n -10 \"$0\" daemon run </dev/null >>\"$1\" 2>&1", self, Log]);
        Pinning.Bequeath(start.Environment);
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new CliException(ExitCode.NoDaemon, "daemon", $"cannot be started ({e.Message})", "run \"cowctl daemon run\" yourself");
        }
    }

    private void AwaitSocket(Process daemon)
    {
        Stopwatch waited = Stopwatch.StartNew();
        while (!client.IsRunning)
        {
            // Two cowctl at once start two daemons, and one of them ends as superfluous while the other still comes up.
            if (daemon.HasExited && daemon.ExitCode != (int)ExitCode.InUse)
            {
                ExitCode reason = daemon.ExitCode is (int)ExitCode.NoModule or (int)ExitCode.Permission ? (ExitCode)daemon.ExitCode : ExitCode.NoDaemon;
                throw new CliException(
                    reason, "daemon", $"ended at once with exit code {daemon.ExitCode}{LastWords()}", $"see {Log}, or run \"cowctl daemon run\"");
            }

            if (waited.Elapsed > Patience)
            {
                throw new CliException(
                    ExitCode.NoDaemon, "daemon", $"does not answer after {Patience.TotalSeconds} s{LastWords()}", $"see {Log}");
            }

            Thread.Sleep(20);
        }
    }

    private string LastWords()
    {
        string? line = File.Exists(Log) ? File.ReadLines(Log).LastOrDefault(static line => line.Length > 0) : null;
        return line is null ? "" : $" ({line})";
    }
}
