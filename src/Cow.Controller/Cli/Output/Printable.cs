// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Output;

/// <summary>Text that came from an image or a file name, for a terminal.</summary>
internal static class Printable
{
    /// <summary>One line, whatever was in the text; nothing that a terminal would obey.</summary>
    public static string Line(string text) => text.AsSpan().ContainsAnyInRange('\u007f', '\u009f') || text.AsSpan().ContainsAnyInRange('\0', '\u001f')
        ? string.Create(text.Length, text, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) ? '?' : source[i];
            }
        })
        : text;
}
