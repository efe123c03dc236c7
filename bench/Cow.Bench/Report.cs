// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text.Json;

namespace Cow.Bench;

/// <summary>Says what was measured.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Prints a line as it comes: a run takes minutes.</summary>
    public static void Print(Bar bar) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{(bar.Met ? "ok    " : "MISSED")}  {bar.Name,-43} {bar.Measured,10:0.###} {bar.Unit,-3}  bar {bar.Limit,6} {bar.Unit,-3}  {bar.Note}"));

    /// <summary>Writes all of them to a file, with the machine that they are of.</summary>
    public static void Write(string path, IReadOnlyList<Bar> bars)
    {
        string processor = File.ReadLines("/proc/cpuinfo").FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal)) ?? "";
        string load = File.ReadAllText("/proc/loadavg").Trim();
        var report = new { Date = DateTime.UtcNow.ToString("u", CultureInfo.InvariantCulture), Processors = Environment.ProcessorCount, Processor = processor, LoadAverage = load, Bars = bars };
        File.WriteAllText(path, JsonSerializer.Serialize(report, Json) + "\n");
    }
}
