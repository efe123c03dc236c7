// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.Globalization;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl daemon run|status|stop</c>.</summary>
internal sealed class DaemonCommand : Command
{
    public DaemonCommand(CliHost host)
        : base("daemon", "The process that decides where chunks go.")
    {
        Command run = new("run", "Serve all devices, in the foreground.");
        Option<bool> takeover = Symbols.Flag("--takeover", "End the daemon that runs, even one that hangs, and go on in its place.");
        run.Add(takeover);
        run.SetAction(parsed => Run(host, parsed.GetValue(takeover)));
        Command status = new("status", "Whether it runs, and how it is.");
        Option<bool> json = Symbols.Json();
        status.Add(json);
        status.SetAction(parsed => Status(host, parsed.GetValue(json)));
        Command stop = new("stop", "End it; devices go on without it, but for first writes.");
        stop.SetAction(_ => Stop(host));
        Add(run);
        Add(status);
        Add(stop);
    }

    private static int Run(CliHost host, bool takeover)
    {
        host.DemandRoot("daemon run");
        return host.Starter.RunHere(takeover);
    }

    private static int Status(CliHost host, bool json)
    {
        host.DemandRoot("daemon status");
        DaemonReport report = Ping(host);
        if (json)
        {
            CliJson.Write(host.Screen.Out, report, CliJson.Default.DaemonReport);
            return (int)ExitCode.Done;
        }

        Sheet sheet = new(new Column(""), new Column(""));
        sheet.Add("pid", report.Pid.ToString(CultureInfo.InvariantCulture));
        sheet.Add("version", report.Version);
        sheet.Add("up", TimeSpan.FromSeconds(Math.Floor(report.UptimeSeconds)).ToString("g", CultureInfo.InvariantCulture));
        sheet.Add("devices", report.Devices.ToString(CultureInfo.InvariantCulture));
        sheet.Add("memory", SizeText.Binary((ulong)Math.Max(report.ResidentBytes, 0)) + (report.Pinned ? ", pinned" : ", not pinned"));
        host.Screen.Write(sheet);
        return (int)ExitCode.Done;
    }

    private static int Stop(CliHost host)
    {
        host.DemandRoot("daemon stop");
        if (host.Client.IsRunning)
        {
            int pid = Ping(host).Pid;
            host.Ask(new Request(Verbs.Stop));
            host.Starter.AwaitEnd(pid);
        }

        return (int)ExitCode.Done;
    }

    private static DaemonReport Ping(CliHost host) => host.Ask(new Request(Verbs.Ping)).Daemon
        ?? throw new CliException(ExitCode.Internal, "daemon", "it answered nothing", "see \"cowctl doctor\"");
}
