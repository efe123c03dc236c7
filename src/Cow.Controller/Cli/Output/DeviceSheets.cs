// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.Controller.Cli.Values;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Output;

/// <summary>Devices for a reader: one line each, or all about one.</summary>
internal static class DeviceSheets
{
    public static Sheet List(IReadOnlyList<DeviceReport> devices)
    {
        Sheet sheet = new(
            new Column("NAME"), new Column("STATE"), new Column("MODE"), new Column("FORMAT"), new Column("SIZE", Right: true),
            new Column("CHUNK", Right: true), new Column("CHANGED", Right: true), new Column("STORE", Right: true),
            new Column("LINES", Right: true), new Column("BASE"), new Column("COW"));
        foreach (DeviceReport device in devices)
        {
            sheet.Add(
                new Cell(device.Name),
                State(device),
                Mode(device),
                new Cell(device.Format),
                new Cell(SizeText.BinarySectors(device.Sectors)),
                new Cell(SizeText.BinarySectors(device.ChunkSectors)),
                new Cell(SizeText.BinarySectors(device.PlacedChunks * device.ChunkSectors)),
                new Cell(Store(device)),
                new Cell(Number(device.TableLines)),
                new Cell(device.Base ?? "-"),
                new Cell(device.Cow));
        }

        return sheet;
    }

    public static Sheet Status(DeviceReport device)
    {
        Sheet sheet = new(new Column(""), new Column(""));
        sheet.Add(new Cell(device.Name), new Cell($"{device.State}, {device.Mode}", Mode(device).Tone));
        if (device.Problem is not null)
        {
            sheet.Add("  problem", device.Problem, Tone.Bad);
        }

        sheet.Add("  base", device.Base ?? "none");
        sheet.Add("  cow", $"{device.Cow} ({device.Format}, chunks of {SizeText.BinarySectors(device.ChunkSectors)})");
        sheet.Add("  size", $"{SizeText.BinarySectors(device.Sectors)} ({device.Sectors} sectors)");
        sheet.Add("  changed", Changed(device));
        sheet.Add("  store", Store(device), Fullness(device));
        sheet.Add("  when full", WhenFull(device), device.WaitingForSpace ? Tone.Bad : Tone.Normal);
        AddWork(sheet, device);
        return sheet;
    }

    private static void AddWork(Sheet sheet, DeviceReport device)
    {
        sheet.Add("  table", $"{Count(device.TableLines, "line")} of {device.SegmentBudget} allowed, {device.CollapsedChunks} chunks in linear lines");
        sheet.Add("  faults", $"{device.FaultsServed} served, {device.FaultsOutstanding} waiting" + Oldest(device));
        sheet.Add("  copies", $"{device.Copies} made, {device.CopiesSkipped} spared");
        sheet.Add("  errors", Number(device.Errors), device.Errors == 0 ? Tone.Normal : Tone.Bad);
        sheet.Add("  kernel map", SizeText.Binary(device.KernelMapBytes));
        sheet.Add("  attached in", Milliseconds(device.AttachMilliseconds));
        sheet.Add("  longest pause", Milliseconds(device.LongestReloadMilliseconds));
    }

    private static string Changed(DeviceReport device)
    {
        string percent = Percent(device.PlacedChunks, device.TotalChunks);
        string size = SizeText.BinarySectors(device.PlacedChunks * device.ChunkSectors);
        return $"{size} in {device.PlacedChunks} of {device.TotalChunks} chunks ({percent}), {device.UncommittedChunks} uncommitted";
    }

    private static string WhenFull(DeviceReport device) => device.WaitingForSpace
        ? $"{device.NoSpace}; writers are waiting: cowctl extend {device.Name}"
        : device.NoSpace;

    private static string Oldest(DeviceReport device) =>
        device.FaultsOutstanding == 0 ? "" : $", the oldest for {device.OldestFaultMilliseconds} ms";

    private static Cell State(DeviceReport device) =>
        new(device.State, device.State switch { "active" => Tone.Good, "failed" => Tone.Bad, _ => Tone.Warning });

    private static Cell Mode(DeviceReport device) =>
        new(device.Mode, device.Mode switch { "rw" => Tone.Good, "fail" => Tone.Bad, _ => Tone.Warning });

    private static string Store(DeviceReport device) => device.CapacityBytes is long.MaxValue or <= 0
        ? SizeText.Binary((ulong)Math.Max(device.UsedBytes, 0))
        : $"{SizeText.Binary((ulong)Math.Max(device.UsedBytes, 0))} of {SizeText.Binary((ulong)device.CapacityBytes)}";

    private static Tone Fullness(DeviceReport device) =>
        device.CapacityBytes > 0 && device.UsedBytes / (double)device.CapacityBytes > 0.9 ? Tone.Warning : Tone.Normal;

    private static string Percent(ulong part, ulong whole) =>
        whole == 0 ? "0 %" : (100.0 * part / whole).ToString("0.#", CultureInfo.InvariantCulture) + " %";

    private static string Milliseconds(double value) => value.ToString("0.0", CultureInfo.InvariantCulture) + " ms";

    private static string Count(int value, string noun) => value == 1 ? $"1 {noun}" : $"{value} {noun}s";

    private static string Number<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
