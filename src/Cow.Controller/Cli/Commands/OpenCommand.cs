// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl open</c>: a disk image as a device.</summary>
internal sealed class OpenCommand : Command
{
    /// <summary>Room to unpack to where nobody said otherwise.</summary>
    public const long DefaultScratchBytes = 1L << 30;

    private readonly Argument<string> _name = Symbols.Name();
    private readonly Argument<string> _image = new("IMAGE") { Description = "The disk image: a file, or a device that holds one." };
    private readonly Option<string?> _format = Symbols.ImageFormat("--format", "Format of the image; by its magic if not given.");
    private readonly Option<string[]> _directories = Symbols.BackingDirectories();
    private readonly Option<string?> _backingFormat = Symbols.BackingFormat();
    private readonly Option<string?> _snapshot = Symbols.Text("--snapshot", "S", "Read this snapshot in the image; with --read-only.");
    private readonly Option<string?> _scratch = Symbols.Text("--scratch-size", "S", "Room to unpack compressed chunks to, with --read-only (1G).");
    private readonly Option<string?> _segments = Symbols.Text("--segments", "N", "Lines that the table may have after collapse.");
    private readonly Option<string?> _noSpace = Symbols.NoSpace();
    private readonly Option<bool> _noGrants = Symbols.NoGrants();
    private readonly Option<bool> _force = Symbols.Flag("--force", "Also when what it is backed by was changed since the last time.");
    private readonly Option<bool> _readOnly = Symbols.Flag("--read-only", "Make a read-only device; the image is not touched.");
    private readonly Option<bool> _atBoot = Symbols.Flag("--at-boot", "Open it again at boot.");
    private readonly Option<bool> _json = Symbols.Json();

    public OpenCommand(CliHost host)
        : base("open", "Make /dev/mapper/NAME of a disk image and what it is backed by.")
    {
        Add(_name);
        Add(_image);
        foreach (Option option in (ReadOnlySpan<Option>)
            [_format, _directories, _backingFormat, _snapshot, _scratch, _segments, _noSpace, _noGrants, _force, _readOnly, _atBoot, _json])
        {
            Add(option);
        }

        SetAction(parsed => CreateCommand.Run(host, Name, Spec(parsed), parsed.GetValue(_json)));
    }

    private CreateSpec Spec(ParseResult parsed)
    {
        bool readOnly = parsed.GetValue(_readOnly);
        string? snapshot = parsed.GetValue(_snapshot);
        if (snapshot is not null && !readOnly)
        {
            throw new CliException(ExitCode.Usage, $"snapshot {snapshot}", "can only be read", "add --read-only");
        }

        return new CreateSpec(
            DeviceName.Checked(parsed.GetRequiredValue(_name)),
            Base: null,
            DevicePath.Absolute("image", parsed.GetRequiredValue(_image)),
            ChunkSectors: null,
            parsed.GetValue(_format),
            SizeSectors: null,
            Layers: [],
            BitmapDevice: null,
            parsed.GetValue(_segments) is { } lines ? NumberText.Segments(lines) : null,
            PolicyText.NoSpace(parsed.GetValue(_noSpace)),
            parsed.GetValue(_force),
            readOnly,
            parsed.GetValue(_atBoot))
        {
            Image = new DeviceImageSpec(
                Symbols.Paths(parsed, _directories),
                parsed.GetValue(_backingFormat),
                snapshot,
                parsed.GetValue(_scratch) is { } size ? checked((long)SizeText.Sectors("scratch size", size) * 512) : DefaultScratchBytes),
            NoGrants = parsed.GetValue(_noGrants),
        };
    }
}
