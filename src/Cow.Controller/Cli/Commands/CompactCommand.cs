// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.Globalization;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl compact</c>: collapse now.</summary>
internal sealed class CompactCommand : Command
{
    public CompactCommand(CliHost host)
        : base("compact", "Turn committed runs into linear lines of the table now.")
    {
        Argument<string> name = Symbols.Name();
        Option<bool> json = Symbols.Json();
        Add(name);
        Add(json);
        SetAction(parsed => Run(host, parsed.GetRequiredValue(name), parsed.GetValue(json)));
    }

    private int Run(CliHost host, string name, bool json)
    {
        host.DemandRoot(Name);
        CompactReport report = host.AskAbout(name, new Request(Verbs.Compact, DeviceName.Checked(name))).Compaction
            ?? throw new CliException(ExitCode.Internal, name, "the daemon reported nothing", "see \"cowctl doctor\"");
        host.Screen.WriteDone(name, output => Write(output, name, report, json));
        return (int)ExitCode.Done;
    }

    private static void Write(TextWriter output, string name, CompactReport report, bool json)
    {
        if (json)
        {
            CliJson.Write(output, report, CliJson.Default.CompactReport);
        }
        else
        {
            string pause = report.PauseMilliseconds.ToString("0.0", CultureInfo.InvariantCulture);
            output.WriteLine(
                $"{name}: {report.LinesBefore} -> {report.LinesAfter} lines, {report.CollapsedChunks} chunks in linear lines, pause {pause} ms");
        }
    }
}
