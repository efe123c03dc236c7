// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl create</c>.</summary>
internal sealed class CreateCommand : Command
{
    private readonly Argument<string> _name = Symbols.Name();
    private readonly Argument<string> _lower = new("BASE") { Description = "Device or file under the overlay, never written; - for none." };
    private readonly Argument<string> _cow = new("COW") { Description = "Device or file for the changes; a new file is made." };
    private readonly Argument<string?> _chunk = Symbols.Optional("CHUNK", "Unit of copy-on-write, in sectors or as 64K, 1M.");
    private readonly Option<string?> _format = Symbols.Format();
    private readonly Option<string?> _size = Symbols.Text("--size", "S", "Size of the device; the base's if not given.");
    private readonly Option<string?> _segments = Symbols.Text("--segments", "N", "Lines that the table may have after collapse.");
    private readonly Option<string?> _noSpace = Symbols.Text("--no-space", "wait|error", "What writers get when the store is full (wait).");
    private readonly Option<string[]> _layers = Symbols.Layers();
    private readonly Option<string?> _bitmapDevice = Symbols.Text("--bitmap-device", "D", "Where format bitmap keeps its bitmap.");
    private readonly Option<bool> _force = Symbols.Flag("--force", "Take a CoW device that bears something else.");
    private readonly Option<bool> _readOnly = Symbols.Flag("--read-only", "Make a read-only device.");
    private readonly Option<bool> _atBoot = Symbols.Flag("--at-boot", "Create it again at boot.");
    private readonly Option<bool> _json = Symbols.Json();

    public CreateCommand(CliHost host)
        : base("create", "Make /dev/mapper/NAME: reads come from BASE, changes go to COW.")
    {
        _noSpace.CompletionSources.Add("wait", "error");
        foreach (Argument argument in (ReadOnlySpan<Argument>)[_name, _lower, _cow, _chunk])
        {
            Add(argument);
        }

        foreach (Option option in (ReadOnlySpan<Option>)
            [_format, _size, _segments, _noSpace, _layers, _bitmapDevice, _force, _readOnly, _atBoot, _json])
        {
            Add(option);
        }

        SetAction(parsed => Run(host, parsed));
    }

    private int Run(CliHost host, ParseResult parsed)
    {
        host.DemandRoot(Name);
        CreateSpec spec = Spec(parsed);
        Response response = host.AskStarting(new Request(Verbs.Create, spec.Name, spec));
        if (parsed.GetValue(_json) && response.Devices is [DeviceReport device, ..])
        {
            CliJson.Write(host.Screen.Out, device, CliJson.Default.DeviceReport);
        }
        else
        {
            host.Screen.Out.WriteLine($"/dev/mapper/{spec.Name}");
        }

        return (int)ExitCode.Done;
    }

    private CreateSpec Spec(ParseResult parsed) => new(
        DeviceName.Checked(parsed.GetRequiredValue(_name)),
        parsed.GetRequiredValue(_lower) is "-" ? null : DevicePath.Absolute("base", parsed.GetRequiredValue(_lower)),
        DevicePath.Absolute("cow", parsed.GetRequiredValue(_cow)),
        parsed.GetValue(_chunk) is { } typed ? SizeText.Chunk(typed) : null,
        parsed.GetValue(_format),
        parsed.GetValue(_size) is { } sectors ? SizeText.Sectors("size", sectors) : null,
        [.. (parsed.GetValue(_layers) ?? []).Select(DevicePath.Layer)],
        parsed.GetValue(_bitmapDevice) is { } device ? DevicePath.Absolute("bitmap device", device) : null,
        parsed.GetValue(_segments) is { } lines ? NumberText.Segments(lines) : null,
        Policy(parsed.GetValue(_noSpace)),
        parsed.GetValue(_force),
        parsed.GetValue(_readOnly),
        parsed.GetValue(_atBoot));

    private static NoSpacePolicy Policy(string? text) => text switch
    {
        null or "wait" => NoSpacePolicy.Wait,
        "error" => NoSpacePolicy.Error,
        _ => throw new CliException(ExitCode.Usage, $"no-space {text}", "is not a policy", "say wait or error"),
    };
}
