// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;
using Cow.Formats.Images;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl create</c>.</summary>
internal sealed class CreateCommand : Command
{
    private readonly Argument<string> _name = Symbols.Name();
    private readonly Argument<string> _lower = new("BASE") { Description = "Device or file under the overlay, never written; - for none." };
    private readonly Argument<string> _cow = new("COW") { Description = "Device or file for the changes; a new file is made." };
    private readonly Argument<string?> _chunk = Symbols.Optional("CHUNK", "Unit of copy-on-write, in sectors or as 64K, 1M.");
    private readonly Option<string?> _format = Symbols.Format();
    private readonly Option<string?> _baseFormat = Symbols.Text("--base-format", "F", "Format of BASE under a COW that is a disk image (raw).");
    private readonly Option<string[]> _directories = Symbols.BackingDirectories();
    private readonly Option<string[]> _settings = new("-o") { Description = "Setting of a disk image that is made, NAME=VALUE; repeatable.", HelpName = "SETTING" };
    private readonly Option<string?> _size = Symbols.Text("--size", "S", "Size of the device; the base's if not given.");
    private readonly Option<string?> _segments = Symbols.Text("--segments", "N", "Lines that the table may have after collapse.");
    private readonly Option<string?> _noSpace = Symbols.NoSpace();
    private readonly Option<bool> _noGrants = Symbols.NoGrants();
    private readonly Option<string[]> _layers = Symbols.Layers();
    private readonly Option<string?> _bitmapDevice = Symbols.Text("--bitmap-device", "D", "Where format bitmap keeps its bitmap.");
    private readonly Option<bool> _force = Symbols.Flag("--force", "Take a CoW device that bears something else.");
    private readonly Option<bool> _readOnly = Symbols.Flag("--read-only", "Make a read-only device.");
    private readonly Option<bool> _atBoot = Symbols.Flag("--at-boot", "Create it again at boot.");
    private readonly Option<bool> _json = Symbols.Json();

    public CreateCommand(CliHost host)
        : base("create", "Make /dev/mapper/NAME: reads come from BASE, changes go to COW.")
    {
        foreach (Argument argument in (ReadOnlySpan<Argument>)[_name, _lower, _cow, _chunk])
        {
            Add(argument);
        }

        foreach (Option option in (ReadOnlySpan<Option>)
            [_format, _baseFormat, _directories, _settings, _size, _segments, _noSpace, _noGrants, _layers, _bitmapDevice, _force, _readOnly, _atBoot, _json])
        {
            Add(option);
        }

        SetAction(parsed => Run(host, Name, Spec(parsed), parsed.GetValue(_json)));
    }

    /// <summary>Has the daemon make a device, and says where it is.</summary>
    public static int Run(CliHost host, string verb, CreateSpec spec, bool json)
    {
        host.DemandRoot(verb);
        Response response = host.AskStarting(new Request(Verbs.Create, spec.Name, spec));
        if (spec.AtBoot && host.Starter.EnableAtBoot() is { } reason)
        {
            host.Screen.WriteError(
                $"cowctl: {spec.Name}: is there, but will not be at boot, as systemd does not start the daemon ({reason}); run \"systemctl enable dm-cow\"");
        }

        host.Screen.WriteDone(spec.Name, output =>
        {
            if (json && response.Devices is [DeviceReport device, ..])
            {
                CliJson.Write(output, device, CliJson.Default.DeviceReport);
            }
            else
            {
                output.WriteLine($"/dev/mapper/{spec.Name}");
            }
        });
        return (int)ExitCode.Done;
    }

    private CreateSpec Spec(ParseResult parsed)
    {
        bool image = ImageRegistry.Find(parsed.GetValue(_format) ?? "") is not null;
        RefuseWhatDoesNotCount(parsed, image);
        return Spec(parsed, image);
    }

    /// <summary>What would be passed over in silence decides what the disk is.</summary>
    private void RefuseWhatDoesNotCount(ParseResult parsed, bool image)
    {
        (Option Option, bool Given)[] ofImages =
        [
            (_baseFormat, parsed.GetValue(_baseFormat) is not null),
            (_directories, parsed.GetValue(_directories) is { Length: > 0 }),
            (_settings, parsed.GetValue(_settings) is { Length: > 0 }),
        ];
        (Option Option, bool Given)[] ofStores =
        [
            (_layers, parsed.GetValue(_layers) is { Length: > 0 }),
            (_bitmapDevice, parsed.GetValue(_bitmapDevice) is not null),
        ];
        if (Array.Find(image ? ofStores : ofImages, static option => option.Given).Option is { } refused)
        {
            throw image
                ? new CliException(ExitCode.Usage, refused.Name, "is for a store, and COW is to be a disk image", "leave it out, or give --format bitmap")
                : new CliException(
                    ExitCode.Usage, refused.Name, "is for a disk image, and COW is to be a store, over BASE as it is", "leave it out, or give the image's --format");
        }
    }

    private CreateSpec Spec(ParseResult parsed, bool image) => new(
        DeviceName.Checked(parsed.GetRequiredValue(_name)),
        parsed.GetRequiredValue(_lower) is "-" ? null : DevicePath.Absolute("base", parsed.GetRequiredValue(_lower)),
        DevicePath.Absolute("cow", parsed.GetRequiredValue(_cow)),
        parsed.GetValue(_chunk) is { } typed ? SizeText.Chunk(typed) : null,
        parsed.GetValue(_format),
        parsed.GetValue(_size) is { } sectors ? SizeText.Sectors("size", sectors) : null,
        [.. (parsed.GetValue(_layers) ?? []).Select(DevicePath.Layer)],
        parsed.GetValue(_bitmapDevice) is { } device ? DevicePath.Absolute("bitmap device", device) : null,
        parsed.GetValue(_segments) is { } lines ? NumberText.Segments(lines) : null,
        PolicyText.NoSpace(parsed.GetValue(_noSpace)),
        parsed.GetValue(_force),
        parsed.GetValue(_readOnly),
        parsed.GetValue(_atBoot))
    {
        Image = image ? ImageOver(parsed) : null,
        NoGrants = parsed.GetValue(_noGrants),
    };

    /// <summary>COW is a disk image over BASE, which the operator has named and so allowed; not what lies beside it.</summary>
    private DeviceImageSpec ImageOver(ParseResult parsed) => new(
        Symbols.Paths(parsed, _directories),
        parsed.GetValue(_baseFormat) ?? "raw",
        Snapshot: null,
        ScratchBytes: OpenCommand.DefaultScratchBytes)
    {
        Settings = parsed.GetValue(_settings) ?? [],
    };
}
