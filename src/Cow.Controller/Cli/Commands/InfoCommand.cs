// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl info</c>: what an image is. Opens no other file, unless it is asked for the chain.</summary>
internal sealed class InfoCommand : Command
{
    private readonly Argument<string> _image = new("IMAGE") { Description = "A disk image or store: a file or a device." };
    private readonly Option<string?> _format = Symbols.AnyFormat();
    private readonly Option<bool> _chain = Symbols.Flag("--chain", "Also open what it is backed by, and say what that is.");
    private readonly Option<string?> _backingFormat = Symbols.BackingFormat();
    private readonly Option<string[]> _directories = Symbols.BackingDirectories();
    private readonly Option<bool> _share = Symbols.ForceShare();
    private readonly Option<bool> _json = Symbols.Json();

    public InfoCommand(CliHost host)
        : base("info", "What a disk image is: format, size, backing image, snapshots.")
    {
        Add(_image);
        foreach (Option option in (ReadOnlySpan<Option>)[_format, _chain, _backingFormat, _directories, _share, _json])
        {
            Add(option);
        }

        SetAction(parsed => Run(host, parsed));
    }

    private int Run(CliHost host, ParseResult parsed)
    {
        ImageSpec spec = new(DevicePath.Absolute("image", parsed.GetRequiredValue(_image)), parsed.GetValue(_format))
        {
            BackingFormat = parsed.GetValue(_backingFormat),
            BackingDirectories = Symbols.Paths(parsed, _directories),
            ForceShare = parsed.GetValue(_share),
        };
        ImageInspector inspector = new(host.Paths);
        ImageReport report = parsed.GetValue(_chain) ? inspector.InspectChain(spec) : inspector.Inspect(spec);
        if (parsed.GetValue(_json))
        {
            CliJson.Write(host.Screen.Out, report, CliJson.Default.ImageReport);
            return (int)ExitCode.Done;
        }

        host.Screen.Write(ImageSheets.Of(report));
        foreach (ImageReport below in report.Chain ?? [])
        {
            host.Screen.Out.WriteLine();
            host.Screen.Write(ImageSheets.Of(below));
        }

        return (int)ExitCode.Done;
    }
}
