// SPDX-License-Identifier: MIT
using System.CommandLine;
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Cli.Values;

namespace Cow.Controller.Cli.Commands;

/// <summary><c>cowctl check</c>: judges a store that no device uses.</summary>
internal sealed class CheckCommand : Command
{
    private readonly Argument<string> _cow = new("COW") { Description = "The store: a device or a file." };
    private readonly Option<string?> _format = Symbols.Format();
    private readonly Option<string?> _lower = Symbols.Text("--base", "BASE", "Its base, for the size.");
    private readonly Option<string?> _size = Symbols.Text("--size", "S", "Size of the device over it; the base's if not given.");
    private readonly Option<string[]> _layers = Symbols.Layers();
    private readonly Option<string?> _bitmapDevice = Symbols.Text("--bitmap-device", "D", "Where format bitmap keeps its bitmap.");
    private readonly Option<bool> _json = Symbols.Json();

    public CheckCommand(CliHost host)
        : base("check", "Read and judge a store's metadata; changes nothing.")
    {
        Add(_cow);
        foreach (Option option in (ReadOnlySpan<Option>)[_format, _lower, _size, _layers, _bitmapDevice, _json])
        {
            Add(option);
        }

        SetAction(parsed => Show(host.Screen, host.Stores.Check(Spec(parsed)), parsed.GetValue(_json)));
    }

    private CheckSpec Spec(ParseResult parsed) => new(
        DevicePath.Absolute("cow", parsed.GetRequiredValue(_cow)),
        parsed.GetValue(_lower) is { } under ? DevicePath.Absolute("base", under) : null,
        parsed.GetValue(_size) is { } sectors ? SizeText.Sectors("size", sectors) : null,
        parsed.GetValue(_format),
        [.. (parsed.GetValue(_layers) ?? []).Select(DevicePath.Layer)],
        parsed.GetValue(_bitmapDevice) is { } device ? DevicePath.Absolute("bitmap device", device) : null);

    private static int Show(Screen screen, StoreCheckReport report, bool json)
    {
        if (json)
        {
            CliJson.Write(screen.Out, report, CliJson.Default.StoreCheckReport);
        }
        else
        {
            WriteText(screen.Out, report);
        }

        return (int)(report.Errors.Count + report.Leaks.Count == 0 ? ExitCode.Done : ExitCode.Findings);
    }

    private static void WriteText(TextWriter output, StoreCheckReport report)
    {
        foreach (string error in report.Errors)
        {
            output.WriteLine($"error: {error}");
        }

        foreach (string leak in report.Leaks)
        {
            output.WriteLine($"leak: {leak}");
        }

        string verdict = (report.Errors.Count, report.Leaks.Count) switch
        {
            (0, 0) => "clean",
            (0, int leaks) => $"{leaks} leaks, no errors",
            (int errors, int leaks) => $"{errors} errors, {leaks} leaks; restore it from a copy, or use it read-only",
        };
        string chunk = SizeText.BinarySectors(report.ChunkSectors);
        output.WriteLine($"{report.Cow}: {report.Format}, {report.PlacedChunks} chunks of {chunk}: {verdict}");
    }
}
