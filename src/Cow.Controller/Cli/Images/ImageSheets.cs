// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Output;
using Cow.Controller.Cli.Values;
using Cow.Formats;

namespace Cow.Controller.Cli.Images;

/// <summary>Images for a reader. What comes from inside an image is shown as one line of harmless characters.</summary>
internal static class ImageSheets
{
    public static Sheet Of(ImageReport report)
    {
        Sheet sheet = new(new Column(""), new Column(""));
        sheet.Add("image", Printable.Line(report.Image));
        sheet.Add("format", report.Format);
        sheet.Add("size", report.VirtualBytes is { } bytes ? $"{SizeText.Binary(bytes)} ({bytes} bytes)" : "that of its base");
        sheet.Add("on disk", $"{SizeText.Binary((ulong)report.DiskBytes)} of {SizeText.Binary((ulong)report.FileBytes)}");
        if (report.ChunkSectors is { } sectors)
        {
            sheet.Add("chunk", SizeText.BinarySectors(sectors));
        }

        if (report.Backing is { } backing)
        {
            sheet.Add("backed by", $"{Printable.Line(backing.Name)} ({Printable.Line(backing.Format ?? "format not said")})");
        }

        AddMore(sheet, report);
        return sheet;
    }

    private static void AddMore(Sheet sheet, ImageReport report)
    {
        if (report.ReadOnlyReason is { } reason)
        {
            sheet.Add("read-only", Printable.Line(reason), Tone.Warning);
        }

        foreach ((string name, string value) in report.Facts)
        {
            sheet.Add(Printable.Line(name), Printable.Line(value));
        }

        foreach (SnapshotReport snapshot in report.Snapshots)
        {
            sheet.Add("snapshot", $"{Printable.Line(snapshot.Id)} '{Printable.Line(snapshot.Name)}', {SizeText.Binary(snapshot.VirtualBytes)}");
        }

        if (report.MoreSnapshots > 0)
        {
            sheet.Add("snapshots", $"and {report.MoreSnapshots} more");
        }
    }
}
