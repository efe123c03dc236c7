// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Output;

/// <summary>Where a verb writes what it was asked for.</summary>
/// <param name="Out">Stdout: answers only.</param>
/// <param name="Error">Stderr: errors and progress.</param>
/// <param name="Terminal">Whether a person reads stdout.</param>
/// <param name="Colour">Whether that person wants colours.</param>
internal sealed record Screen(TextWriter Out, TextWriter Error, bool Terminal, bool Colour)
{
    /// <summary>Whether a person reads stderr, and so wants to see how far a long verb is.</summary>
    public bool ErrorTerminal { get; init; }

    /// <summary>The process's own stdout and stderr. NO_COLOR counts when it is not empty (no-color.org).</summary>
    public static Screen OfProcess()
    {
        bool terminal = !Console.IsOutputRedirected;
        bool colour = terminal
            && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } and not "dumb";
        return new Screen(Console.Out, Console.Error, terminal, colour)
        {
            ErrorTerminal = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } and not "dumb",
        };
    }

    public void Write(Sheet sheet)
    {
        if (Colour)
        {
            RichSheet.Write(sheet, Out);
        }
        else
        {
            PlainSheet.Write(sheet, Out);
        }
    }
}
