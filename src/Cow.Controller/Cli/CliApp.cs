// SPDX-License-Identifier: MIT
using System.CommandLine;
using System.CommandLine.Invocation;
using Cow.Controller.Cli.Commands;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli;

/// <summary>From arguments to an exit code. The only place that prints errors.</summary>
internal sealed class CliApp(CliHost host)
{
    public int Run(IReadOnlyList<string> arguments)
    {
        try
        {
            RootCommand root = CommandTree.Build(host);
            // An argument that starts with @ is a name like any other, not a file of arguments.
            ParseResult parsed = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parsed.Action is ParseErrorAction)
            {
                return Fail(ParseFailure.Of(parsed));
            }

            return parsed.Invoke(new InvocationConfiguration
            {
                Output = host.Screen.Out,
                Error = host.Screen.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
#pragma warning disable CA1031 // whatever it is, the operator gets a sentence and an exit code, not a stack trace
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Fail(Failures.Of(e));
        }
    }

    private int Fail(Failure failure)
    {
        host.Screen.WriteError($"cowctl: {failure.Object}: {failure.Reason}; {failure.Cure}");
        return (int)failure.Code;
    }
}
