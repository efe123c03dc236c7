// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Bench.Devices;

/// <summary>What tests/vm/bench.sh and tests/vm/parallel.sh measured on one kernel: lines "RESULT round job target iops".</summary>
/// <remarks>
/// A target is divided by dm-linear, but <c>chain-30</c> by <c>chain-1</c>, and in jobs of pairs all by <c>qemu-nbd</c>. A job of four processes is first
/// divided by the same job of one, on both sides: its ratio says how it scales.
/// </remarks>
internal sealed class DeviceRuns
{
    /// <summary>What jobs of one process begin with that are there to be compared with those of four.</summary>
    public const string OneJob = "one-";

    /// <summary>What jobs of four processes begin with.</summary>
    public const string FourJobs = "four-";

    /// <summary>What jobs begin with that cowctl and qemu-nbd did with the same image, and dm-linear with the disk below it.</summary>
    public const string PairJob = "pair-";

    private readonly List<Measurement> _all = [];

    /// <summary>Reads them; other lines are a guest's small talk.</summary>
    public static DeviceRuns Read(string path)
    {
        DeviceRuns runs = new();
        foreach (string[] words in File.ReadLines(path).Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
        {
            if (words is ["RESULT", var round, var job, var target, var iops])
            {
                runs._all.Add(new Measurement(round, job, target, double.Parse(iops, CultureInfo.InvariantCulture)));
            }
        }

        return runs;
    }

    /// <summary>In the order in which they ran. Those of one process are only there to be divided by.</summary>
    public IEnumerable<string> Jobs => _all.Select(static m => m.Job).Distinct().Where(static job => !job.StartsWith(OneJob, StringComparison.Ordinal));

    /// <summary>Those of some jobs, in the order in which they ran.</summary>
    public IEnumerable<string> Targets(IReadOnlyCollection<string> jobs) => _all.Where(m => jobs.Contains(m.Job)).Select(static m => m.Target).Distinct();

    /// <summary>The median of all rounds; null where the target has no such job, or nothing that it could be divided by.</summary>
    public Ratio? Of(string job, string target)
    {
        double[] ratios = [.. Where(job, target).Select(m => Gain(m) / Gain(YardstickOf(m))).OfType<double>().Order()];
        return ratios.Length == 0
            ? null
            : new Ratio(
                (ratios[(ratios.Length - 1) / 2] + ratios[ratios.Length / 2]) / 2, ratios[0], ratios[^1], Where(job, target).Average(static m => m.Iops));
    }

    private Measurement? YardstickOf(Measurement m) => Find(m.Round, m.Job, m switch
    {
        _ when m.Job.StartsWith(PairJob, StringComparison.Ordinal) => "qemu-nbd",
        { Target: "chain-30" } => "chain-1",
        _ => "linear",
    });

    private double? Gain(Measurement? m) => m is not null && m.Job.StartsWith(FourJobs, StringComparison.Ordinal)
        ? m.Iops / Find(m.Round, OneJob + m.Job[FourJobs.Length..], m.Target)?.Iops
        : m?.Iops;

    /// <summary>Null where the guest ended before.</summary>
    private Measurement? Find(string round, string job, string target) => Where(job, target).SingleOrDefault(m => m.Round == round);

    private IEnumerable<Measurement> Where(string job, string target) => _all.Where(m => m.Job == job && m.Target == target);

    private sealed record Measurement(string Round, string Job, string Target, double Iops);
}
