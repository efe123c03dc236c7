// SPDX-License-Identifier: MIT
using System.CommandLine;

namespace Cow.Controller.Cli.Commands;

/// <summary>Arguments and options that several verbs have. Values stay text here; Values/ judges them, so that its sentences come out.</summary>
internal static class Symbols
{
    private static readonly string[] Formats = ["snapshot", "bitmap"];

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

    public static Option<string?> Format()
    {
        Option<string?> option = Text("--format", "F", "Format of the store: snapshot (default for an empty one) or bitmap.");
        option.CompletionSources.Add(Formats);
        return option;
    }

    public static Option<string[]> Layers() => new("--layer")
    {
        Description = "Read-only layer, lowest first: a path, or DATA,BITMAP; repeatable.",
        HelpName = "L",
    };

    public static Option<string[]> BackingDirectories() => new("--backing-dir")
    {
        Description = "Where files that an image names may lie, besides its own directory; repeatable.",
        HelpName = "DIR",
    };

    public static Option<string?> BackingFormat() =>
        Text("--backing-format", "F", "Format of backing images whose child does not tell it; raw is never guessed.");

    public static Option<string?> NoSpace()
    {
        Option<string?> option = Text("--no-space", "wait|error", "What writers get when the store is full (wait).");
        option.CompletionSources.Add("wait", "error");
        return option;
    }

    public static Option<string?> Text(string name, string value, string description) => new(name)
    {
        Description = description,
        HelpName = value,
    };

    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    public static Option<bool> Json() => Flag("--json", "Print JSON.");

    private static IEnumerable<string> MappedNames()
    {
        const string Mapper = "/dev/mapper";
        return Directory.Exists(Mapper)
            ? Directory.EnumerateFiles(Mapper).Select(static path => Path.GetFileName(path)).Where(static name => name != "control")
            : [];
    }
}
