// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl status</c>: all about one device, or about each.</summary>
internal sealed class StatusCommand : Command
{
    public StatusCommand(CliHost host)
        : base("status", "All about one device, or about each.")
    {
        Argument<string?> name = Symbols.Optional("NAME", "Name of the device; all if not given.");
        Option<bool> json = Symbols.Json();
        Add(name);
        Add(json);
        SetAction(parsed => Run(host, parsed.GetValue(name), parsed.GetValue(json)));
    }

    private int Run(CliHost host, string? name, bool json)
    {
        host.DemandRoot(Name);
        IReadOnlyList<DeviceReport> devices = name is null
            ? ListCommand.Devices(host)
            : host.AskAbout(name, new Request(Verbs.Status, DeviceName.Checked(name))).Devices ?? [];
        if (json)
        {
            CliJson.Write(host.Screen.Out, new DeviceList(devices), CliJson.Default.DeviceList);
            return (int)ExitCode.Done;
        }

        for (int i = 0; i < devices.Count; i++)
        {
            if (i > 0)
            {
                host.Screen.Out.WriteLine();
            }

            host.Screen.Write(DeviceSheets.Status(devices[i]));
        }

        return (int)ExitCode.Done;
    }
}
