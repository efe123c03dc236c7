// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Images;

/// <summary>An image as the user named it.</summary>
/// <param name="Path">Full path of a file or block device.</param>
/// <param name="Format">Name of its format; null goes by the magic, which raw has none of.</param>
internal sealed record ImageSpec(string Path, string? Format)
{
    /// <summary>The option that names the format, for messages.</summary>
    public string FormatOption { get; init; } = "--format";

    /// <summary>Where files that images name may lie besides the image's own directory.</summary>
    public IReadOnlyList<string> BackingDirectories { get; init; } = [];

    /// <summary>A file that images may name wherever it lies; null for none.</summary>
    public string? Base { get; init; }

    /// <summary>Format of backing images of which their child does not say it.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>A snapshot inside the image that is read instead of its present state.</summary>
    public string? Snapshot { get; init; }

    /// <summary>Read it although somebody may be writing it.</summary>
    public bool ForceShare { get; init; }
}
