// SPDX-License-Identifier: MIT
namespace Cow.Bench.Devices;

/// <summary>Jobs that share a table and a chart.</summary>
/// <param name="Name">As in the names of files.</param>
/// <param name="Heading">Of the table.</param>
/// <param name="Prefix">What the names of its jobs begin with; empty for those of no other group.</param>
internal sealed record JobGroup(string Name, string Heading, string Prefix)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<JobGroup> All { get; } =
    [
        new("devices", "operations a second, dm-linear = 1", ""),
        new("four", "what four processes do more than one, dm-linear = 1", DeviceRuns.FourJobs),
        new("pair", "operations a second, qemu-nbd = 1", DeviceRuns.PairJob),
    ];

    /// <summary>Its part of the jobs.</summary>
    public string[] Of(IEnumerable<string> jobs) => [.. jobs.Where(job => job.StartsWith(Prefix, StringComparison.Ordinal) && (Prefix.Length > 0 || !IsOthers(job)))];

    private static bool IsOthers(string job) => All.Any(group => group.Prefix.Length > 0 && job.StartsWith(group.Prefix, StringComparison.Ordinal));
}
