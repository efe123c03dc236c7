// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl extend</c>: the store takes more room, and whoever waited for it goes on.</summary>
internal sealed class ExtendCommand : Command
{
    public ExtendCommand(CliHost host)
        : base("extend", "Give the store more room; waiting writers go on.")
    {
        Argument<string> name = Symbols.Name();
        Argument<string?> size = Symbols.Optional("SIZE", "New size of a CoW file; a device that has grown needs none.");
        Add(name);
        Add(size);
        SetAction(parsed => Run(host, parsed.GetRequiredValue(name), parsed.GetValue(size)));
    }

    private int Run(CliHost host, string name, string? size)
    {
        host.DemandRoot(Name);
        long? bytes = size is null ? null : SizeText.Bytes("size", size);
        host.AskAbout(name, new Request(Verbs.Extend, DeviceName.Checked(name), Bytes: bytes));
        return (int)ExitCode.Done;
    }
}
