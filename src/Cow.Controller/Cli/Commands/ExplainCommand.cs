// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl explain</c>: where one sector is read from.</summary>
internal sealed class ExplainCommand : Command
{
    public ExplainCommand(CliHost host)
        : base("explain", "Where one sector of a device is read from, and why.")
    {
        Argument<string> name = Symbols.Name();
        Argument<string> sector = new("SECTOR") { Description = "Sector of the device, from 0." };
        Option<bool> json = Symbols.Json();
        Add(name);
        Add(sector);
        Add(json);
        SetAction(parsed => Run(host, parsed.GetRequiredValue(name), parsed.GetRequiredValue(sector), parsed.GetValue(json)));
    }

    private int Run(CliHost host, string name, string sector, bool json)
    {
        host.DemandRoot(Name);
        Request request = new(Verbs.Explain, DeviceName.Checked(name), Sector: NumberText.Sector(sector));
        ExplainReport report = host.AskAbout(name, request).Explanation
            ?? throw new CliException(ExitCode.Internal, name, "the daemon explained nothing", "see \"cowctl doctor\"");
        if (json)
        {
            CliJson.Write(host.Screen.Out, report, CliJson.Default.ExplainReport);
        }
        else
        {
            host.Screen.Out.WriteLine(report.Sentence);
        }

        return (int)ExitCode.Done;
    }
}
