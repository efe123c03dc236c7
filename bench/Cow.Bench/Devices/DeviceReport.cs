// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Cow.Bench.Devices;

/// <summary>The table of ratios to dm-linear and the costs, as text and as JSON; the ratios as columns for gnuplot, too.</summary>
internal sealed class DeviceReport(DeviceRuns runs, IReadOnlyList<Cost> costs)
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Prints them, and writes them to three files.</summary>
    /// <param name="json">The results, for who compares them later.</param>
    /// <param name="columns">What the chart is drawn from.</param>
    /// <param name="tables">The medians and the costs, for who reads them.</param>
    /// <returns>Whether every bar is met by its median.</returns>
    public bool Write(string json, string columns, string tables)
    {
        var rows = runs.Jobs.SelectMany(job => runs.Targets.Select(target => (job, target, ratio: runs.Of(job, target))))
            .Where(static row => row.ratio is not null)
            .Select(row => new { row.job, row.target, row.ratio, atLeast = BarOf(row.job, row.target)?.AtLeast })
            .ToArray();
        File.WriteAllText(json, JsonSerializer.Serialize(new { runs.Rounds, Results = rows, Costs = costs }, Json) + "\n");
        File.WriteAllText(columns, Columns());
        File.WriteAllText(tables, Tables());
        foreach (var row in rows)
        {
            string bar = row.atLeast is { } least ? (row.ratio!.Median >= least ? $"ok, bar {Text(least)}" : $"MISSED, bar {Text(least)}") : "";
            Console.WriteLine($"{row.job,-28} {row.target,-22} {Text(row.ratio!.Median),6} ({Text(row.ratio.Least)} to {Text(row.ratio.Most)})  {bar}");
        }

        foreach (Cost cost in costs)
        {
            string bar = cost.AtMost is { } most ? $"{(cost.Missed ? "MISSED" : "ok")}, at most {most:0}" : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{cost.Name,-42} {cost.Value,14:0.0} {cost.Unit,-6} {bar}"));
        }

        DeviceBar[] missed = [.. DeviceBar.All.Where(bar => !(runs.Of(bar.Job, bar.Target)?.Median >= bar.AtLeast))];
        foreach (DeviceBar bar in missed)
        {
            Console.Error.WriteLine($"missed: {bar.Job} on {bar.Target}: {(runs.Of(bar.Job, bar.Target) is { } ratio ? Text(ratio.Median) : "not measured")}, bar {Text(bar.AtLeast)}");
        }

        string[] over = [.. CostBar.All.Select(static bar => bar.Name).Except(costs.Where(static cost => !cost.Missed).Select(static cost => cost.Name))];
        foreach (string name in over)
        {
            Console.Error.WriteLine($"missed: {name}");
        }

        return missed.Length + over.Length == 0;
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
            _ = text.Append(job).Append(' ').AppendJoin(' ', targets.Select(target => Median(job, target) ?? "nan")).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Markdown. Targets are the rows: there are more of them than jobs.</summary>
    private string Tables()
    {
        string[] jobs = [.. runs.Jobs];
        StringBuilder text = new("<!-- Written by ./build.sh bench. -->\n\n");
        _ = text.Append("| | ").AppendJoin(" | ", jobs).Append(" |\n| --- |").Insert(text.Length, " --- |", jobs.Length).Append('\n');
        foreach (string target in runs.Targets)
        {
            _ = text.Append("| ").Append(target).Append(" | ").AppendJoin(" | ", jobs.Select(job => Median(job, target) ?? "")).Append(" |\n");
        }

        _ = text.Append("\n| cost | | |\n| --- | --- | --- |\n");
        foreach (Cost cost in costs)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"| {cost.Name} | {cost.Value:0.0} | {cost.Unit} |\n");
        }

        return text.ToString();
    }

    private string? Median(string job, string target) => runs.Of(job, target) is { } ratio ? Text(ratio.Median) : null;
}
