// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;

namespace Cow.Formats;

/// <summary>Text that came from an image or a file name, for a terminal or a message.</summary>
public static class Printable
{
    /// <summary>One line, whatever was in the text; nothing that a terminal would obey, or that would show other letters in another order.</summary>
    public static string Line(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            return text;
        }
        StringBuilder line = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            line.Append(IsShown(rune) ? rune.ToString() : "?");
        }
        return line.ToString();
    }

    /// <summary>As <see cref="Line"/>, and of a long text no more than its start.</summary>
    /// <param name="text">The text.</param>
    /// <param name="most">Characters of it at most.</param>
    public static string Start(string text, int most)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length <= most ? Line(text) : Line(text[..most]) + "...";
    }

    private static bool IsShown(Rune rune) => Rune.GetUnicodeCategory(rune)
        is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
