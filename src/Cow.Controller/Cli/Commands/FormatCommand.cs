// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Cli.Values;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl format</c>: an empty store, offline.</summary>
internal sealed class FormatCommand : Command
{
    private readonly Argument<string> _cow = new("COW") { Description = "Device or file for the changes; a new file is made." };
    private readonly Argument<string?> _chunk = Symbols.Optional("CHUNK", "Unit of copy-on-write, in sectors or as 64K, 1M.");
    private readonly Option<string?> _lower = Symbols.Text("--base", "BASE", "The base whose changes it will hold.");
    private readonly Option<string?> _size = Symbols.Text("--size", "S", "Size of the device over it; the base's if not given.");
    private readonly Option<string?> _format = Symbols.Format();
    private readonly Option<string?> _bitmapDevice = Symbols.Text("--bitmap-device", "D", "Where format bitmap keeps its bitmap.");
    private readonly Option<bool> _dryRun = Symbols.Flag("--dry-run", "Only say how large things would be.");
    private readonly Option<bool> _force = Symbols.Flag("--force", "Also over something else that is there.");
    private readonly Option<bool> _json = Symbols.Json();

    public FormatCommand(CliHost host)
        : base("format", "Make an empty store, or say how large it must be.")
    {
        Add(_cow);
        Add(_chunk);
        foreach (Option option in (ReadOnlySpan<Option>)[_lower, _size, _format, _bitmapDevice, _dryRun, _force, _json])
        {
            Add(option);
        }

        SetAction(parsed => Run(host, parsed));
    }

    private int Run(CliHost host, ParseResult parsed)
    {
        FormatSpec spec = Spec(parsed);
        bool dry = parsed.GetValue(_dryRun);
        bool json = parsed.GetValue(_json);
        FormatReport report = dry ? host.Stores.Plan(spec) : host.Stores.Create(spec);
        if (!dry && json)
        {
            host.Screen.WriteDone(spec.Cow, output => CliJson.Write(output, report, CliJson.Default.FormatReport));
        }
        else if (json)
        {
            CliJson.Write(host.Screen.Out, report, CliJson.Default.FormatReport);
        }
        else if (dry)
        {
            host.Screen.Write(Plan(report));
        }

        return (int)ExitCode.Done;
    }

    private FormatSpec Spec(ParseResult parsed)
    {
        string? under = parsed.GetValue(_lower);
        string? sectors = parsed.GetValue(_size);
        string store = parsed.GetRequiredValue(_cow);
        if (under is null && sectors is null)
        {
            throw new CliException(ExitCode.Usage, store, "the size of the device is not known", "give --base BASE or --size S");
        }

        return new FormatSpec(
            DevicePath.Absolute("cow", store),
            under is null ? null : DevicePath.Absolute("base", under),
            sectors is null ? null : SizeText.Sectors("size", sectors),
            parsed.GetValue(_format),
            parsed.GetValue(_chunk) is { } typed ? SizeText.Chunk(typed) : null,
            parsed.GetValue(_bitmapDevice) is { } device ? DevicePath.Absolute("bitmap device", device) : null,
            parsed.GetValue(_force));
    }

    private static Sheet Plan(FormatReport report)
    {
        Sheet sheet = new(new Column(""), new Column(""));
        sheet.Add("store", $"{report.Cow} ({report.Format}, chunks of {SizeText.BinarySectors(report.ChunkSectors)})");
        sheet.Add("device size", Size((long)report.Sectors * 512));
        sheet.Add("metadata", Size(report.MetadataBytes) + " at most");
        sheet.Add("needed", Size(report.FullRewriteBytes) + " to take a full rewrite");
        if (report.CowBytes is { } present)
        {
            bool enough = present >= report.FullRewriteBytes;
            sheet.Add("present", Size(present) + (enough ? ", enough" : ", not enough"), enough ? Tone.Good : Tone.Warning);
        }

        return sheet;
    }

    private static string Size(long bytes) => $"{SizeText.Binary((ulong)bytes)} ({bytes} bytes)";
}
