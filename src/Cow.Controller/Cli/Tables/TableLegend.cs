// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Values;

namespace Cow.Controller.Cli.Tables;

/// <summary>Explains a table to a reader at a terminal.</summary>
internal static class TableLegend
{
    /// <summary>Words of the form major:minor, each once, in order.</summary>
    public static IReadOnlyList<string> DeviceNumbers(IEnumerable<TableLine> lines) =>
        [.. lines.SelectMany(static line => line.Arguments.Split(' ')).Where(IsDeviceNumber).Distinct()];

    /// <summary>The lines under the table.</summary>
    public static IEnumerable<string> Describe(TableReport table)
    {
        yield return "";
        yield return "start length target arguments, in sectors of 512 bytes";
        foreach (IGrouping<string, TableLine> kind in table.Lines.GroupBy(static line => line.Target))
        {
            ulong sectors = kind.Aggregate(0UL, static (sum, line) => sum + line.Sectors);
            yield return $"  {kind.Key,-8} {Meaning(kind.Key)}: {kind.Count()} of {table.Lines.Count} lines, {SizeText.BinarySectors(sectors)}";
        }

        foreach ((string number, string name) in table.Devices)
        {
            yield return $"  {number,-8} {name}";
        }
    }

    private static string Meaning(string target) => target switch
    {
        "cow" => "first writes are asked for, the rest is mapped by the module (name, base, cow, chunk)",
        "linear" => "collapsed: straight to the device at that sector",
        "userspace" => "every chunk is asked for once (name, chunk, devices)",
        "snapshot-origin" or "snapshot" => "the stock kernel's snapshots",
        "zero" => "reads as zeros",
        "error" => "every access fails",
        _ => "another target",
    };

    private static bool IsDeviceNumber(string word)
    {
        int colon = word.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && uint.TryParse(word.AsSpan(0, colon), out _) && uint.TryParse(word.AsSpan(colon + 1), out _);
    }
}
