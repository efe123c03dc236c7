// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Cow.Bench.Devices;

/// <summary>The tables of ratios and the costs, as text, as Markdown and as JSON; the ratios as columns for gnuplot, too.</summary>
internal sealed class DeviceReport(IReadOnlyList<KernelRuns> kernels)
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Prints them, and writes them to files.</summary>
    /// <param name="json">The results, for who compares them later.</param>
    /// <param name="tables">The medians and the costs, for who reads them.</param>
    /// <param name="folder">Gets KERNEL-GROUP.dat, what the charts are drawn from.</param>
    /// <returns>Whether every bar is met on every kernel.</returns>
    public bool Write(string json, string tables, string folder)
    {
        File.WriteAllText(json, JsonSerializer.Serialize(kernels.Select(static k => new { k.Kernel, Results = Rows(k.Runs), k.Costs }), Json) + "\n");
        File.WriteAllText(tables, Tables());
        foreach (KernelRuns kernel in kernels)
        {
            Print(kernel);
            foreach (JobGroup group in JobGroup.All)
            {
                File.WriteAllText(Path.Combine(folder, $"{kernel.Kernel}-{group.Name}.dat"), Columns(kernel.Runs, group));
            }
        }

        string[] missed = [.. kernels.SelectMany(static k => k.Missed().Select(name => $"{k.Kernel}: {name}"))];
        foreach (string name in missed)
        {
            Console.Error.WriteLine($"missed on {name}");
        }

        return missed.Length == 0;
    }

    private static Row[] Rows(DeviceRuns runs)
    {
        string[] jobs = [.. runs.Jobs];
        return
        [
            .. from job in jobs
               from target in runs.Targets(jobs)
               let ratio = runs.Of(job, target)
               where ratio is not null
               select new Row(job, target, ratio, DeviceBar.Of(job, target)),
        ];
    }

    private static void Print(KernelRuns kernel)
    {
        foreach (Row row in Rows(kernel.Runs))
        {
            string bar = row.AtLeast is { } least ? (row.Ratio.Median >= least ? $"ok, bar {Text(least)}" : $"MISSED, bar {Text(least)}") : "";
            Console.WriteLine($"{kernel.Kernel,-4} {row.Job,-32} {row.Target,-22} {Text(row.Ratio.Median),6} ({Text(row.Ratio.Least)} to {Text(row.Ratio.Most)})  {bar}");
        }

        foreach (Cost cost in kernel.Costs)
        {
            string bar = cost.AtMost is { } most ? $"{(cost.Missed ? "MISSED" : "ok")}, at most {most:0}" : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kernel.Kernel,-4} {cost.Name,-42} {cost.Value,14:0.0} {cost.Unit,-6} {bar}"));
        }
    }

    private static string Text(double ratio) => ratio.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>A row for each job, a column for each target.</summary>
    private static string Columns(DeviceRuns runs, JobGroup group)
    {
        string[] jobs = group.Of(runs.Jobs);
        string[] targets = [.. runs.Targets(jobs).Where(static target => !target.EndsWith("-collapsed", StringComparison.Ordinal))];
        StringBuilder text = new($"\"{group.Heading}\" {string.Join(' ', targets)}\n");
        foreach (string job in jobs)
        {
            _ = text.Append(job).Append(' ').AppendJoin(' ', targets.Select(target => runs.Of(job, target) is { } ratio ? Text(ratio.Median) : "nan")).Append('\n');
        }

        return text.ToString();
    }

    private string Tables()
    {
        StringBuilder text = new("<!-- Written by ./build.sh bench. -->\n\nMedians of all rounds; in brackets the bar, where there is one, bold what misses it.\n");
        foreach (JobGroup group in JobGroup.All)
        {
            foreach (KernelRuns kernel in kernels)
            {
                Table(text, kernel, group);
            }
        }

        _ = text.Append("\n| cost | ").AppendJoin(" | ", kernels.Select(static k => k.Kernel)).Append(" | |\n| --- |").Insert(text.Length, " --- |", kernels.Count + 1).Append('\n');
        foreach (var (name, unit) in kernels.SelectMany(static k => k.Costs).Select(static cost => (cost.Name, cost.Unit)).Distinct())
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"| {name} | ").AppendJoin(" | ", kernels.Select(k => Value(k, name))).Append(CultureInfo.InvariantCulture, $" | {unit} |\n");
        }

        return text.ToString();
    }

    private static string Value(KernelRuns kernel, string name) => kernel.Costs.FirstOrDefault(cost => cost.Name == name) is { } cost
        ? Cell(cost.Value.ToString("0.0", CultureInfo.InvariantCulture), cost.AtMost?.ToString("0", CultureInfo.InvariantCulture), cost.Missed)
        : "";

    private static string Value(DeviceRuns runs, string job, string target) => runs.Of(job, target) is { } ratio
        ? Cell(Text(ratio.Median), DeviceBar.Of(job, target)?.ToString("0.0##", CultureInfo.InvariantCulture), ratio.Median < DeviceBar.Of(job, target))
        : "";

    private static string Cell(string value, string? bar, bool missed) =>
        (missed ? $"**{value}**" : value) + (bar is null ? "" : $" ({bar})");

    /// <summary>Targets are the rows: there are more of them than jobs.</summary>
    private static void Table(StringBuilder text, KernelRuns kernel, JobGroup group)
    {
        string[] jobs = group.Of(kernel.Runs.Jobs);
        if (jobs.Length == 0)
        {
            return;
        }

        _ = text.Append(CultureInfo.InvariantCulture, $"\nLinux {kernel.Kernel}, {group.Heading}:\n\n| | ")
            .AppendJoin(" | ", jobs.Select(job => job[group.Prefix.Length..])).Append(" |\n| --- |").Insert(text.Length, " --- |", jobs.Length).Append('\n');
        foreach (string target in kernel.Runs.Targets(jobs))
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"| {target} | ").AppendJoin(" | ", jobs.Select(job => Value(kernel.Runs, job, target))).Append(" |\n");
        }
    }

    private sealed record Row(string Job, string Target, Ratio Ratio, double? AtLeast);
}
