// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Cow.Bench.Devices;

/// <summary>The table of ratios to dm-linear, as text, as JSON and as columns for gnuplot.</summary>
internal sealed class DeviceReport(DeviceRuns runs)
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Prints them, and writes them to two files.</summary>
    /// <param name="json">The results, for who compares them later.</param>
    /// <param name="columns">What the chart is drawn from.</param>
    /// <returns>Whether every bar is met by its median.</returns>
    public bool Write(string json, string columns)
    {
        var rows = runs.Jobs.SelectMany(job => runs.Targets.Select(target => (job, target, ratio: runs.Of(job, target))))
            .Where(static row => row.ratio is not null)
            .Select(row => new { row.job, row.target, row.ratio, atLeast = BarOf(row.job, row.target)?.AtLeast })
            .ToArray();
        File.WriteAllText(json, JsonSerializer.Serialize(new { runs.Rounds, Results = rows }, Json) + "\n");
        File.WriteAllText(columns, Columns());
        foreach (var row in rows)
        {
            string bar = row.atLeast is { } least ? (row.ratio!.Median >= least ? $"ok, bar {Text(least)}" : $"MISSED, bar {Text(least)}") : "";
            Console.WriteLine($"{row.job,-28} {row.target,-22} {Text(row.ratio!.Median),6} ({Text(row.ratio.Least)} to {Text(row.ratio.Most)})  {bar}");
        }

        DeviceBar[] missed = [.. DeviceBar.All.Where(bar => !(runs.Of(bar.Job, bar.Target)?.Median >= bar.AtLeast))];
        foreach (DeviceBar bar in missed)
        {
            Console.Error.WriteLine($"missed: {bar.Job} on {bar.Target}: {(runs.Of(bar.Job, bar.Target) is { } ratio ? Text(ratio.Median) : "not measured")}, bar {Text(bar.AtLeast)}");
        }

        return missed.Length == 0;
    }

    private static DeviceBar? BarOf(string job, string target) => DeviceBar.All.FirstOrDefault(bar => bar.Job == job && bar.Target == target);

    private static string Text(double ratio) => ratio.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>A row for each job, a column for each target.</summary>
    private string Columns()
    {
        string[] targets = [.. runs.Targets.Where(static target => !target.EndsWith("-collapsed", StringComparison.Ordinal))];
        StringBuilder text = new("job " + string.Join(' ', targets) + "\n");
        foreach (string job in runs.Jobs)
        {
            _ = text.Append(job).Append(' ').AppendJoin(' ', targets.Select(target => runs.Of(job, target) is { } ratio ? Text(ratio.Median) : "nan")).Append('\n');
        }

        return text.ToString();
    }
}
