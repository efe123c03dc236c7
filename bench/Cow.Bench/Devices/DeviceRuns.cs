// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Bench.Devices;

/// <summary>What tests/vm/bench.sh measured: lines "RESULT round job target iops".</summary>
internal sealed class DeviceRuns
{
    private const string Yardstick = "linear";

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

    /// <summary>In the order in which they ran.</summary>
    public IEnumerable<string> Jobs => _all.Select(static m => m.Job).Distinct();

    /// <summary>In the order in which they ran.</summary>
    public IEnumerable<string> Targets => _all.Select(static m => m.Target).Distinct();

    /// <summary>How often each was measured.</summary>
    public int Rounds => _all.Select(static m => m.Round).Distinct().Count();

    /// <summary>Operations a second in each round divided by those of dm-linear in the same round; null where the target has no such job.</summary>
    public Ratio? Of(string job, string target)
    {
        double[] ratios = [.. Where(job, target).Select(m => m.Iops / Where(job, Yardstick).Single(l => l.Round == m.Round).Iops).Order()];
        return ratios.Length == 0 ? null : new Ratio(ratios[ratios.Length / 2], ratios[0], ratios[^1], Where(job, target).Average(static m => m.Iops));
    }

    private IEnumerable<Measurement> Where(string job, string target) => _all.Where(m => m.Job == job && m.Target == target);

    private sealed record Measurement(string Round, string Job, string Target, double Iops);
}
