// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Tables;
using Cow.Controller.Cli.Values;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl table</c>: what the kernel has loaded. Asks the kernel, so that it is the truth also without a daemon.</summary>
internal sealed class TableCommand : Command
{
    public TableCommand(CliHost host)
        : base("table", "The live device-mapper table, with a legend on a terminal.")
    {
        Argument<string> name = Symbols.Name();
        Option<bool> json = Symbols.Json();
        Add(name);
        Add(json);
        SetAction(parsed => Run(host, DeviceName.OfMapped(parsed.GetRequiredValue(name)), parsed.GetValue(json)));
    }

    private int Run(CliHost host, string name, bool json)
    {
        host.DemandRoot(Name);
        IReadOnlyList<TableLine> lines = host.Machine.Table(name)
            ?? throw new CliException(ExitCode.NotFound, name, "there is no such device", "see \"cowctl list\"");
        if (json)
        {
            CliJson.Write(host.Screen.Out, Report(host, name, lines), CliJson.Default.TableReport);
            return (int)ExitCode.Done;
        }

        foreach (TableLine line in lines)
        {
            host.Screen.Out.WriteLine(line);
        }

        if (host.Screen.Terminal)
        {
            foreach (string line in TableLegend.Describe(Report(host, name, lines)))
            {
                host.Screen.Out.WriteLine(line);
            }
        }

        return (int)ExitCode.Done;
    }

    private static TableReport Report(CliHost host, string name, IReadOnlyList<TableLine> lines)
    {
        SortedDictionary<string, string> devices = new(StringComparer.Ordinal);
        foreach (string number in TableLegend.DeviceNumbers(lines))
        {
            devices[number] = host.Machine.NameOf(number) ?? "(gone)";
        }

        return new TableReport(name, lines, devices);
    }
}
