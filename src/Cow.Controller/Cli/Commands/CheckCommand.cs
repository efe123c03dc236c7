// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Cli.Values;
using Cow.Formats;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl check</c>: judges a store or disk image that no device uses.</summary>
internal sealed class CheckCommand : Command
{
    private readonly Argument<string> _cow = new("COW") { Description = "The store or disk image: a device or a file." };
    private readonly Option<string?> _format = Symbols.AnyFormat();
    private readonly Option<string?> _lower = Symbols.Text("--base", "BASE", "Its base, for the size.");
    private readonly Option<string?> _size = Symbols.Text("--size", "S", "Size of the device over it; the base's if not given.");
    private readonly Option<string[]> _layers = Symbols.Layers();
    private readonly Option<string?> _bitmapDevice = Symbols.Text("--bitmap-device", "D", "Where format bitmap keeps its bitmap.");
    private readonly Option<string[]> _directories = Symbols.BackingDirectories();
    private readonly Option<bool> _repair = Symbols.Flag("--repair", "Rebuild in a disk image what its format can rebuild.");
    private readonly Option<bool> _json = Symbols.Json();

    public CheckCommand(CliHost host)
        : base("check", "Read and judge the metadata of a store or disk image; changes nothing, unless --repair is given.")
    {
        Add(_cow);
        foreach (Option option in (ReadOnlySpan<Option>)[_format, _lower, _size, _layers, _bitmapDevice, _directories, _repair, _json])
        {
            Add(option);
        }

        SetAction(parsed => Show(host.Screen, Judge(host, parsed), parsed.GetValue(_json), parsed.GetValue(_repair)));
    }

    private StoreCheckReport Judge(CliHost host, ParseResult parsed)
    {
        CheckSpec spec = Spec(parsed);
        bool repair = parsed.GetValue(_repair);
        if (ImageFormats.IsImage(spec.Cow, spec.Format))
        {
            ImageSpec image = new(spec.Cow, spec.Format) { BackingDirectories = Symbols.Paths(parsed, _directories) };
            return new ImageChecker(host.Paths).Check(image, repair);
        }

        // Of what is not there the store's own check says so.
        return repair && File.Exists(spec.Cow)
            ? throw new CliException(ExitCode.Usage, spec.Cow, "is no disk image: a store repairs itself when it is opened", "leave --repair out")
            : host.Stores.Check(spec);
    }

    private CheckSpec Spec(ParseResult parsed) => new(
        DevicePath.Absolute("cow", parsed.GetRequiredValue(_cow)),
        parsed.GetValue(_lower) is { } under ? DevicePath.Absolute("base", under) : null,
        parsed.GetValue(_size) is { } sectors ? SizeText.Sectors("size", sectors) : null,
        parsed.GetValue(_format),
        [.. (parsed.GetValue(_layers) ?? []).Select(DevicePath.Layer)],
        parsed.GetValue(_bitmapDevice) is { } device ? DevicePath.Absolute("bitmap device", device) : null);

    private static int Show(Screen screen, StoreCheckReport report, bool json, bool repair)
    {
        if (repair)
        {
            screen.WriteDone(report.Cow, output => Write(output, report, json));
        }
        else
        {
            Write(screen.Out, report, json);
        }

        return (int)(report.Errors.Count + report.Leaks.Count == 0 ? ExitCode.Done : ExitCode.Findings);
    }

    private static void Write(TextWriter output, StoreCheckReport report, bool json)
    {
        if (json)
        {
            CliJson.Write(output, report, CliJson.Default.StoreCheckReport);
        }
        else
        {
            WriteText(output, report);
        }
    }

    private static void WriteText(TextWriter output, StoreCheckReport report)
    {
        foreach (string repaired in report.Repaired)
        {
            output.WriteLine($"repaired: {Printable.Line(repaired)}");
        }

        foreach (string error in report.Errors)
        {
            output.WriteLine($"error: {Printable.Line(error)}");
        }

        foreach (string leak in report.Leaks)
        {
            output.WriteLine($"leak: {Printable.Line(leak)}");
        }

        string verdict = (report.Errors.Count, report.Leaks.Count) switch
        {
            (0, 0) => "clean",
            (0, int leaks) => $"{leaks} leaks, no errors",
            (int errors, int leaks) => $"{errors} errors, {leaks} leaks; {(report.MayBeRepaired ? "try --repair first" : "restore it from a copy, or use it read-only")}",
        };
        string chunk = SizeText.BinarySectors(report.ChunkSectors);
        output.WriteLine($"{Printable.Line(report.Cow)}: {report.Format}, {report.PlacedChunks} chunks of {chunk}: {verdict}");
    }
}
