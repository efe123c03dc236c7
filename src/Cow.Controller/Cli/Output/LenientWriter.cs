// SPDX-License-Identifier: MIT
using System.Text;

namespace Cow.Controller.Cli.Output;

/// <summary>
/// Writes what can be written, and drops the rest: for what nobody waits for. A terminal that is gone must not end a verb, least of all from a thread
/// that only draws.
/// </summary>
/// <param name="output">Stays the caller's.</param>
internal sealed class LenientWriter(TextWriter output) : TextWriter
{
    public override Encoding Encoding => output.Encoding;

    /// <summary>What was written did not go anywhere: no room, nobody there, or a descriptor that is not open for writing.</summary>
    public static bool IsUnwritable(Exception e) => e is IOException or UnauthorizedAccessException;

    public override void Write(char value) => Try(() => output.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => output.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => output.Write(value));

    public override void WriteLine(string? value) => Try(() => output.WriteLine(value));

    public override void Flush() => Try(output.Flush);

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (IsUnwritable(e))
        {
            // There is nobody to tell.
        }
    }
}
