// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.DmIoctl;

/// <summary>One line of a device-mapper table, or of its status.</summary>
/// <param name="Start">First sector of the mapped device that it serves.</param>
/// <param name="Length">Sectors that it serves.</param>
/// <param name="Type">Target type: 1 to 15 bytes without blanks.</param>
/// <param name="Parameters">What follows the type; in a status line what the target reports.</param>
public readonly record struct TargetLine(Sectors Start, Sectors Length, string Type, string Parameters)
{
    /// <summary>First sector behind the line.</summary>
    public Sectors End => Start + Length;

    /// <summary>Reads a line as dmsetup prints it; throws <see cref="FormatException"/> for anything else.</summary>
    /// <param name="text">Start, length, type and the rest as parameters, separated by blanks.</param>
    public static TargetLine Parse(string text) => TryParse(text, out var line)
        ? line
        : throw new FormatException($"'{text}' is not a table line (start length type parameters)");

    /// <summary>Reads a line as dmsetup prints it.</summary>
    /// <param name="text">Start, length, type and the rest as parameters, separated by blanks.</param>
    /// <param name="line">The line, or the default.</param>
    /// <returns>False for anything else.</returns>
    public static bool TryParse(string? text, out TargetLine line)
    {
        line = default;
        var rest = text.AsSpan();
        if (!TryNumber(ref rest, out ulong start) || !TryNumber(ref rest, out ulong length)
            || length == 0 || ulong.MaxValue - start < length)
        {
            return false;
        }

        var type = Word(ref rest);
        if (type.IsEmpty)
        {
            return false;
        }

        line = new TargetLine(new Sectors(start), new Sectors(length), type.ToString(), rest.Trim().ToString());
        return true;
    }

    /// <summary>The line as dmsetup prints it and <see cref="Parse"/> reads it.</summary>
    public override string ToString() => string.IsNullOrEmpty(Parameters)
        ? string.Create(CultureInfo.InvariantCulture, $"{Start.Value} {Length.Value} {Type}")
        : string.Create(CultureInfo.InvariantCulture, $"{Start.Value} {Length.Value} {Type} {Parameters}");

    private static bool TryNumber(ref ReadOnlySpan<char> rest, out ulong value) =>
        ulong.TryParse(Word(ref rest), NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static ReadOnlySpan<char> Word(ref ReadOnlySpan<char> rest)
    {
        rest = rest.TrimStart();
        int end = rest.IndexOfAny(' ', '\t', '\n');
        var word = end < 0 ? rest : rest[..end];
        rest = rest[word.Length..];
        return word;
    }
}
