// SPDX-License-Identifier: MIT
using Spectre.Console;

namespace Cow.Controller.Cli.Output;

/// <summary>A sheet on a terminal with colours. The only user of Spectre.Console, so that nothing else pays for loading it.</summary>
internal static class RichSheet
{
    public static void Write(Sheet sheet, TextWriter output)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.Standard,
            Out = new AnsiConsoleOutput(output),
        });
        // Wider than any row: what is too long for the terminal breaks there, and not inside a column.
        console.Profile.Width = 4096;
        Table table = new() { Border = TableBorder.None, ShowHeaders = sheet.HasHeaders };
        foreach (Column column in sheet.Columns)
        {
            TableColumn shown = new(new Text(column.Header, new Style(decoration: Decoration.Bold))) { NoWrap = true };
            table.AddColumn(column.Right ? shown.RightAligned() : shown);
        }

        foreach (Cell[] row in sheet.Rows)
        {
            table.AddRow(row.Select(static cell => new Text(cell.Text, StyleOf(cell.Tone))));
        }

        console.Write(table);
    }

    private static Style StyleOf(Tone tone) => tone switch
    {
        Tone.Quiet => new Style(decoration: Decoration.Dim),
        Tone.Good => new Style(Color.Green),
        Tone.Warning => new Style(Color.Yellow),
        Tone.Bad => new Style(Color.Red, decoration: Decoration.Bold),
        _ => Style.Plain,
    };
}
