// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Real;
using Cow.Controller.Cli.Values;
using Cow.Controller.Daemon;
using Cow.Formats.Images;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl map</c>: where each part of a disk is, in its image or in what that is backed by.</summary>
internal sealed class MapCommand : Command
{
    private readonly Argument<string> _image = new("IMAGE") { Description = "A disk image, or the name of a device over one." };
    private readonly Option<string?> _format = Symbols.ImageFormat("--format", "Its format, where it is not recognised: raw, say.");
    private readonly Option<string?> _backingFormat = Symbols.BackingFormat();
    private readonly Option<string[]> _directories = Symbols.BackingDirectories();
    private readonly Option<string?> _snapshot = Symbols.Text("--snapshot", "S", "Id or name of a snapshot inside the image that is read instead.");
    private readonly Option<bool> _share = Symbols.ForceShare();
    private readonly Option<bool> _json = Symbols.Flag("--json", "Print JSON, as qemu-img map does.");

    public MapCommand(CliHost host)
        : base("map", "Where each part of a disk is: image, layer and state.")
    {
        Add(_image);
        foreach (Option option in (ReadOnlySpan<Option>)[_format, _backingFormat, _directories, _snapshot, _share, _json])
        {
            Add(option);
        }

        SetAction(parsed => Run(host, parsed));
    }

    private int Run(CliHost host, ParseResult parsed)
    {
        using ImageSession session = new(host.Paths, Spec(host, parsed));
        ImageChain chain = session.OpenChain();
        MapWalker walker = new(chain);
        MapPrinter printer = new(host.Screen.Out);
        if (parsed.GetValue(_json))
        {
            printer.Json(walker.Entries());
        }
        else
        {
            printer.Text(walker.Entries(), chain);
        }

        return (int)ExitCode.Done;
    }

    private ImageSpec Spec(CliHost host, ParseResult parsed)
    {
        string image = parsed.GetRequiredValue(_image);
        DeviceState? device = File.Exists(image) ? null : StoreUsers.KnownStates(host.Paths).FirstOrDefault(state => state.Spec.Name == image);
        ImageSpec spec = new(device?.Spec.Cow ?? DevicePath.Absolute("image", image), parsed.GetValue(_format) ?? device?.Format)
        {
            // What a device was made with holds for its map.
            BackingFormat = parsed.GetValue(_backingFormat) ?? device?.Spec.Image?.BackingFormat,
            BackingDirectories = [.. Symbols.Paths(parsed, _directories), .. device?.Spec.Image?.BackingDirectories ?? []],
            Base = device?.Spec.Base,
            Snapshot = parsed.GetValue(_snapshot) ?? device?.Spec.Image?.Snapshot,
            ForceShare = parsed.GetValue(_share) || device is not null,
        };
        if (device is not null)
        {
            ImageFormats.Named(spec.Format!);
            host.Screen.WriteError($"cowctl: {image}: is live, its image {spec.Path} is read beside it: what it has not committed yet does not show");
        }

        return spec;
    }
}
