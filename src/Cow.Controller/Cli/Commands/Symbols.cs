// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Values;

namespace Cow.Controller.Cli.Commands;

/// <summary>Arguments and options that several verbs have. Values stay text here; Values/ judges them, so that its sentences come out.</summary>
internal static class Symbols
{
    public static Argument<string> Name() => new("NAME")
    {
        Description = "Name of the device: /dev/mapper/NAME.",
        CompletionSources = { static _ => MappedNames().Select(static name => new System.CommandLine.Completions.CompletionItem(name)) },
    };

    public static Argument<string?> Optional(string name, string description) => new(name)
    {
        Description = description,
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Option<string?> Format() => Format(
        "--format", $"Format of the store: {ImageFormats.OfStores[0]} (default for an empty one), or {string.Join(", ", ImageFormats.OfStores.Skip(1))}.", ImageFormats.OfStores);

    /// <summary>Format of a disk image.</summary>
    public static Option<string?> ImageFormat(string name, string description) => Format(name, description, ImageFormats.OfImages);

    /// <summary>Format of a store or of a disk image.</summary>
    public static Option<string?> AnyFormat() => Format(
        "--format", $"Its format, where it is not recognised: {ImageFormats.Names}.", [.. ImageFormats.OfStores, .. ImageFormats.OfImages]);

    public static Option<string[]> BackingDirectories() => new("--backing-dir")
    {
        Description = "Where files that images name may lie, besides the image's own directory; repeatable.",
        HelpName = "DIR",
    };

    /// <summary>Full paths of the directories given with <see cref="BackingDirectories"/>.</summary>
    public static IReadOnlyList<string> Paths(ParseResult parsed, Option<string[]> directories) =>
        [.. (parsed.GetValue(directories) ?? []).Select(static directory => DevicePath.Absolute("backing directory", directory))];

    public static Option<bool> ForceShare() => new("--force-share", "-U") { Description = "Read it even while somebody writes it: what is shown may be torn." };

    public static Option<string[]> Layers() => new("--layer")
    {
        Description = "Read-only layer, lowest first: a path, or DATA,BITMAP; repeatable.",
        HelpName = "L",
    };

    public static Option<string?> BackingFormat() =>
        ImageFormat("--backing-format", "Format of backing images, where an image does not say it; raw is never guessed.");

    public static Option<string?> NoSpace()
    {
        Option<string?> option = Text("--no-space", "wait|error", "What writers get when the store is full (wait).");
        option.CompletionSources.Add("wait", "error");
        return option;
    }

    public static Option<bool> NoGrants() => Flag("--no-grants", "Give the kernel no places in advance: it asks for each first write.");

    public static Option<string?> Text(string name, string value, string description) => new(name)
    {
        Description = description,
        HelpName = value,
    };

    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    public static Option<bool> Json() => Flag("--json", "Print JSON.");

    private static Option<string?> Format(string name, string description, IReadOnlyList<string> formats)
    {
        Option<string?> option = Text(name, "F", description);
        option.CompletionSources.Add([.. formats]);
        return option;
    }

    private static IEnumerable<string> MappedNames()
    {
        const string Mapper = "/dev/mapper";
        return Directory.Exists(Mapper)
            ? Directory.EnumerateFiles(Mapper).Select(static path => Path.GetFileName(path)).Where(static name => name != "control")
            : [];
    }
}
