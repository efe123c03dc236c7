// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Cow.Controller.Ipc;
using Cow.Formats;

namespace Cow.Controller.Cli.Output;

/// <summary>Where a verb writes what it was asked for.</summary>
/// <param name="Out">Stdout: answers only.</param>
/// <param name="Error">Stderr: errors and progress; where nobody can read them, the exit code still says what it says.</param>
/// <param name="Terminal">Whether a person reads stdout.</param>
/// <param name="Colour">Whether that person wants colours.</param>
internal sealed record Screen(TextWriter Out, TextWriter Error, bool Terminal, bool Colour)
{
    private const int OutputBytes = 64 * 1024;

    public TextWriter Error { get; } = new LenientWriter(Error);

    /// <summary>Whether a person reads stderr, and so wants to see how far a long verb is.</summary>
    public bool ErrorTerminal { get; init; }

    /// <summary>The process's own stdout and stderr. NO_COLOR counts when it is not empty (no-color.org).</summary>
    public static Screen OfProcess()
    {
        bool terminal = !Console.IsOutputRedirected;
        bool colour = terminal
            && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } and not "dumb";
        return new Screen(Output(), Console.Error, terminal, colour)
        {
            ErrorTerminal = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } and not "dumb",
        };
    }

    // Console.Out writes 256 characters at a time, whatever it gets: a long map would be a million calls.
    [SuppressMessage("Reliability", "CA2000", Justification = "It lives as long as the process, and keeps nothing back.")]
    private static TextWriter Output() => TextWriter.Synchronized(
        new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), OutputBytes) { AutoFlush = true });

    /// <summary>Writes the answer of a verb that has done something: who is not told so must not believe that nothing was done.</summary>
    /// <param name="about">What it was done to.</param>
    /// <param name="write">Writes it.</param>
    /// <exception cref="CliException">It could not be written.</exception>
    public void WriteDone(string about, Action<TextWriter> write)
    {
        try
        {
            write(Out);
        }
        catch (Exception e) when (LenientWriter.IsUnwritable(e))
        {
            Failure why = Failures.Of(e);
            throw new CliException(
                why.Code, about, $"what was asked for is done, only the answer could not be written ({why.Reason})", "do not ask for it again");
        }
    }

    /// <summary>Writes a line to stderr.</summary>
    public void WriteError(string line) => Error.WriteLine(Printable.Line(line));

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
