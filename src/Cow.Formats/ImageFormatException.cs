// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>A store or image is not what its format demands. The only exception that untrusted bytes may cause.</summary>
/// <remarks>What was found, and at times what was expected, is untrusted text of any length: it is worded here as <see cref="Printable"/> has it, and
/// cut.</remarks>
/// <param name="file">Name of the file or device.</param>
/// <param name="offset">Byte offset of the offending field.</param>
/// <param name="expected">What the format demands there.</param>
/// <param name="found">What is there.</param>
public sealed class ImageFormatException(string file, long offset, string expected, string found)
    : Exception($"{Printable.Line(file)}: at byte {offset}: expected {Worded(expected)}, found {Worded(found)}")
{
    private const int MostLetters = 600;

    /// <summary>Name of the file or device.</summary>
    public string File { get; } = file;

    /// <summary>Byte offset of the offending field.</summary>
    public long Offset { get; } = offset;

    /// <summary>What the format demands there.</summary>
    public string Expected { get; } = Worded(expected);

    /// <summary>What is there.</summary>
    public string Found { get; } = Worded(found);

    /// <summary>What the operator can do, where it is not damage that was found; else null.</summary>
    public string? Advice { get; init; }

    private static string Worded(string text) => Printable.Start(text, MostLetters);
}
