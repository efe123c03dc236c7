// SPDX-License-Identifier: MIT
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;

namespace Cow.Bench;

/// <summary>Runs <see cref="FormatBenchmarks"/>, in this process, and holds what comes out against the bars.</summary>
internal static class MicroRuns
{
    private const double MiB = 1 << 20;
    private const double Milliseconds = 1_000_000;

    /// <summary>Runs them.</summary>
    /// <param name="artifacts">Folder for what BenchmarkDotNet writes.</param>
    public static IEnumerable<Bar> Run(string artifacts)
    {
        StreamLogger log = new(Path.Combine(artifacts, "benchmarks.log"));
        try
        {
            // Iterations of about a millisecond, and many of them: on a machine that does other things, too, most pass undisturbed. Garbage that is
            // looked for before each would leave the caches cold for it, and there is none.
            Job job = Job.Default.WithToolchain(InProcessNoEmitToolchain.Instance).WithGcForce(false)
                .WithWarmupCount(20).WithIterationCount(60).WithInvocationCount(4).WithUnrollFactor(4);
            ManualConfig config = ManualConfig.CreateEmpty().AddJob(job).AddDiagnoser(MemoryDiagnoser.Default).AddLogger(log)
                .AddColumnProvider(DefaultColumnProviders.Instance).WithArtifactsPath(artifacts).WithOptions(ConfigOptions.DisableLogFile);
            Dictionary<string, BenchmarkReport> reports = BenchmarkRunner.Run<FormatBenchmarks>(config).Reports
                .ToDictionary(static report => report.BenchmarkCase.Descriptor.WorkloadMethod.Name);
            return [.. Bars(reports)];
        }
        finally
        {
            log.Flush();
        }
    }

    private static IEnumerable<Bar> Bars(Dictionary<string, BenchmarkReport> reports)
    {
        foreach ((string name, string words) in ((string, string)[])[
            (nameof(FormatBenchmarks.LookupInPagesUsedLast), "lookup, in pages used last"),
            (nameof(FormatBenchmarks.LookupInAnyCachedPage), "lookup, in any cached page")])
        {
            yield return Time(reports, name, words, 100, "ns", 1);
            yield return Garbage(reports, name, words, 0, "B", 1);
        }
        yield return Time(reports, nameof(FormatBenchmarks.Reserve), "reserve", 1000, "ns", 1);
        yield return Garbage(reports, nameof(FormatBenchmarks.Reserve), "reserve", 0, "B", 1);
        foreach ((string name, string words) in ((string, string)[])[
            (nameof(FormatBenchmarks.Open), "open 16 TiB"), (nameof(FormatBenchmarks.OpenWritable), "open 16 TiB to write")])
        {
            yield return Time(reports, name, words, 50, "ms", Milliseconds);
            yield return Garbage(reports, name, words, 64, "MiB", MiB);
        }
    }

    private static Bar Time(Dictionary<string, BenchmarkReport> reports, string name, string words, double limit, string unit, double nanoseconds)
    {
        // None: the benchmark failed, which the log says.
        BenchmarkDotNet.Mathematics.Statistics? statistics = reports[name].ResultStatistics;
        return statistics is null
            ? new Bar(words, double.NaN, limit, unit, "failed, see benchmarks.log")
            : new Bar(words, statistics.Median / nanoseconds, limit, unit, $"{statistics.Min / nanoseconds:F1} to {statistics.Max / nanoseconds:F1}");
    }

    private static Bar Garbage(Dictionary<string, BenchmarkReport> reports, string name, string words, double limit, string unit, double bytes) =>
        new($"{words}, memory", (reports[name].GcStats.GetBytesAllocatedPerOperation(reports[name].BenchmarkCase) ?? double.NaN) / bytes, limit, unit);
}
