// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl list</c>: a line for each device. Without devices it prints nothing and starts no daemon.</summary>
internal sealed class ListCommand : Command
{
    public ListCommand(CliHost host)
        : base("list", "A line for each device.")
    {
        Option<bool> json = Symbols.Json();
        Add(json);
        SetAction(parsed => Run(host, parsed.GetValue(json)));
    }

    /// <summary>All devices, without starting a daemon that would have none.</summary>
    public static IReadOnlyList<DeviceReport> Devices(CliHost host) => host.Client.IsRunning || host.Starter.HasDevices
        ? host.AskStarting(new Request(Verbs.List)).Devices ?? []
        : [];

    private int Run(CliHost host, bool json)
    {
        host.DemandRoot(Name);
        IReadOnlyList<DeviceReport> devices = Devices(host);
        if (json)
        {
            CliJson.Write(host.Screen.Out, new DeviceList(devices), CliJson.Default.DeviceList);
        }
        else if (devices.Count > 0)
        {
            host.Screen.Write(DeviceSheets.List(devices));
        }

        return (int)ExitCode.Done;
    }
}
