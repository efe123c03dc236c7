// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.CommandLine.Invocation;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl --version</c>.</summary>
internal sealed class VersionAction(TextWriter output) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        output.WriteLine($"cowctl {ProductVersion.Text}");
        return (int)ExitCode.Done;
    }
}
