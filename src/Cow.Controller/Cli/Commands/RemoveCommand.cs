// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl remove</c>: undoes create; base and store stay.</summary>
internal sealed class RemoveCommand : Command
{
    public RemoveCommand(CliHost host)
        : base("remove", "Take the device away; base and store keep their data.")
    {
        Argument<string> name = Symbols.Name();
        Option<bool> force = Symbols.Flag("--force", "Also when changes that cannot be committed would be lost.");
        Add(name);
        Add(force);
        SetAction(parsed => Run(host, parsed.GetRequiredValue(name), parsed.GetValue(force)));
    }

    private int Run(CliHost host, string name, bool force)
    {
        host.DemandRoot(Name);
        host.AskAbout(name, new Request(Verbs.Remove, DeviceName.Checked(name), Force: force));
        return (int)ExitCode.Done;
    }
}
