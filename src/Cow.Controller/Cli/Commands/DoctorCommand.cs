// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Doctor;
using Cow.Controller.Cli.Output;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl doctor</c>: what is wrong on this machine, and what to do about it. Starts and changes nothing.</summary>
internal sealed class DoctorCommand : Command
{
    public DoctorCommand(CliHost host)
        : base("doctor", "What is wrong on this machine, and what to do about it.")
    {
        Option<bool> json = Symbols.Json();
        Add(json);
        SetAction(parsed => Run(host, parsed.GetValue(json)));
    }

    private int Run(CliHost host, bool json)
    {
        host.DemandRoot(Name);
        DoctorReport report = Examine(host);
        if (json)
        {
            CliJson.Write(host.Screen.Out, report, CliJson.Default.DoctorReport);
        }
        else
        {
            host.Screen.Write(Summary(report));
            foreach (Finding finding in report.Findings)
            {
                host.Screen.Out.WriteLine(finding);
            }
        }

        return (int)(report.Findings.Count == 0 ? ExitCode.Done : ExitCode.Findings);
    }

    private static DoctorReport Examine(CliHost host)
    {
        MachineFacts facts = host.Machine.Examine();
        bool running = host.Client.IsRunning;
        Response ping = running ? host.Client.Send(new Request(Verbs.Ping)) : new Response();
        Response list = running && ping.Error is null ? host.Client.Send(new Request(Verbs.List)) : new Response();
        IReadOnlyList<DeviceReport> devices = list.Devices ?? [];
        return new DoctorReport(
            facts.Kernel,
            facts.DeviceMapper,
            facts.ModuleLoaded,
            facts.Targets,
            ping.Daemon,
            Diagnosis.Judge(facts, ping.Daemon, devices, ping.Error ?? list.Error));
    }

    private static Sheet Summary(DoctorReport report)
    {
        Sheet sheet = new(new Column(""), new Column(""));
        sheet.Add("kernel", report.Kernel);
        sheet.Add("device-mapper", report.DeviceMapper ?? "missing", ToneOf(report.DeviceMapper is not null));
        string targets = string.Join(", ", report.Targets.Select(static target => $"{target.Name} {target.Version}"));
        sheet.Add("module dm-cow", report.ModuleLoaded ? $"loaded: {targets}" : "not loaded", ToneOf(report.ModuleLoaded));
        sheet.Add("daemon", Daemon(report.Daemon));
        int found = report.Findings.Count;
        sheet.Add("findings", found == 0 ? "none" : $"{found}:", found == 0 ? Tone.Good : Tone.Bad);
        return sheet;
    }

    private static string Daemon(DaemonReport? daemon) => daemon is null
        ? "does not run"
        : $"pid {daemon.Pid}, version {daemon.Version}, {(daemon.Pinned ? "pinned" : "not pinned")}, devices: {daemon.Devices}";

    private static Tone ToneOf(bool good) => good ? Tone.Good : Tone.Bad;
}
