// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>A store or image is not what its format demands. The only exception that untrusted bytes may cause.</summary>
/// <param name="file">Name of the file or device.</param>
/// <param name="offset">Byte offset of the offending field.</param>
/// <param name="expected">What the format demands there.</param>
/// <param name="found">What is there.</param>
public sealed class ImageFormatException(string file, long offset, string expected, string found)
    : Exception($"{file}: at byte {offset}: expected {expected}, found {found}")
{
    /// <summary>Name of the file or device.</summary>
    public string File { get; } = file;

    /// <summary>Byte offset of the offending field.</summary>
    public long Offset { get; } = offset;

    /// <summary>What the format demands there.</summary>
    public string Expected { get; } = expected;

    /// <summary>What is there.</summary>
    public string Found { get; } = found;

    /// <summary>What the operator can do, where it is not damage that was found; else null.</summary>
    public string? Advice { get; init; }
}
