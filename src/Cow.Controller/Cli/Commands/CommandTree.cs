// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.CommandLine.Help;

namespace Cow.Controller.Cli.Commands;

/// <summary>All verbs.</summary>
internal static class CommandTree
{
    public static RootCommand Build(CliHost host)
    {
        RootCommand root = new("Copy-on-write block devices: allocation decided here, data never leaves the kernel.")
        {
            new CreateCommand(host),
            new OpenCommand(host),
            new ListCommand(host),
            new StatusCommand(host),
            new TableCommand(host),
            new ExplainCommand(host),
            new CompactCommand(host),
            new ExtendCommand(host),
            new RemoveCommand(host),
            new FormatCommand(host),
            new CheckCommand(host),
            new InfoCommand(host),
            new MapCommand(host),
            new ConvertCommand(host),
            new DaemonCommand(host),
            new DoctorCommand(host),
        };
        Adapt(root, host.Screen.Out);
        return root;
    }

    private static void Adapt(RootCommand root, TextWriter output)
    {
        foreach (Option option in root.Options)
        {
            switch (option)
            {
                case HelpOption:
                    // /h and /? are paths here.
                    option.Aliases.Clear();
                    option.Aliases.Add("-h");
                    break;
                case VersionOption:
                    // The library's takes the version of the entry assembly: in a test that is the test runner.
                    option.Action = new VersionAction(output);
                    break;
                default:
                    break;
            }
        }
    }
}
