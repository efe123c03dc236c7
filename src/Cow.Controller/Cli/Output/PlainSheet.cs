// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Output;

/// <summary>A sheet as aligned text: for pipes, NO_COLOR and dumb terminals.</summary>
internal static class PlainSheet
{
    private const string Gap = "  ";

    public static void Write(Sheet sheet, TextWriter output)
    {
        int[] widths = Widths(sheet);
        if (sheet.HasHeaders)
        {
            WriteRow(output, sheet, widths, index => sheet.Columns[index].Header);
        }

        foreach (Cell[] row in sheet.Rows)
        {
            WriteRow(output, sheet, widths, index => row[index].Text);
        }
    }

    private static int[] Widths(Sheet sheet)
    {
        int[] widths = new int[sheet.Columns.Count];
        for (int i = 0; i < widths.Length; i++)
        {
            widths[i] = sheet.Columns[i].Header.Length;
            foreach (Cell[] row in sheet.Rows)
            {
                widths[i] = Math.Max(widths[i], row[i].Text.Length);
            }
        }

        return widths;
    }

    private static void WriteRow(TextWriter output, Sheet sheet, int[] widths, Func<int, string> text)
    {
        string line = "";
        for (int i = 0; i < widths.Length; i++)
        {
            line += (i == 0 ? "" : Gap) + (sheet.Columns[i].Right ? text(i).PadLeft(widths[i]) : text(i).PadRight(widths[i]));
        }

        output.WriteLine(line.TrimEnd());
    }
}
