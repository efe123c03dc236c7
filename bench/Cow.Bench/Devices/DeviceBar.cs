// SPDX-License-Identifier: MIT
namespace Cow.Bench.Devices;

/// <summary>What a device must reach in a job.</summary>
/// <param name="Job">As in tests/vm/bench.sh.</param>
/// <param name="Target">As there.</param>
/// <param name="AtLeast">Operations a second, divided by those of its yardstick in the same round.</param>
internal sealed record DeviceBar(string Job, string Target, double AtLeast)
{
    private const string Read = "read-unaltered";
    private const string Remapped = "read-remapped";
    private const string Rewrite = "rewrite-random-4k";
    private const string RandomFirst = "first-write-random-4k";
    private const string SequentialFirst = "first-write-sequential-64k";
    private const string SyncedFirst = "first-write-fsync-16";

    /// <summary>Four processes lose at most so much of what they gain on dm-linear.</summary>
    private const double Scaling = 0.90;

    /// <summary>Every kind of device that reads its map, whatever its chunk.</summary>
    private static readonly string[] Ours = ["cow-8", "cow-128", "bitmap-128", "qcow2-128", "qcow2-sub"];

    /// <summary>Those with chunks of 64 KiB.</summary>
    private static readonly string[] Large = ["cow-128", "bitmap-128", "qcow2-128"];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<DeviceBar> All { get; } =
    [
        .. Each([Read, Remapped, Rewrite], Ours, 0.985),
        .. Each([Remapped, Rewrite], Ours.Select(static target => target + "-collapsed"), 0.99),
        new(RandomFirst, "cow-8", 0.92), new(SequentialFirst, "cow-8", 0.90), new(SyncedFirst, "cow-8", 0.85),
        .. Each([RandomFirst], Large, 0.80), .. Each([SequentialFirst], Large, 0.96), .. Each([SyncedFirst], Large, 0.78),
        new(RandomFirst, "cow-8-no-grants", 0.50), new(RandomFirst, "cow-128-no-grants", 0.78),
        new(SequentialFirst, "cow-128-no-grants", 0.82), new(SyncedFirst, "cow-8-no-grants", 0.50),
        new(Read, "chain-30", 0.985),
        .. Each([DeviceRuns.PairJob + Read, DeviceRuns.PairJob + Remapped, DeviceRuns.PairJob + Rewrite], ["cowctl"], 10),
        new(DeviceRuns.PairJob + RandomFirst, "cowctl", 3),
        .. Each(
            from job in (string[])[Read, Remapped, Rewrite, RandomFirst, SequentialFirst] select DeviceRuns.FourJobs + job,
            ["cow-8", "cow-128", "bitmap-128"],
            Scaling),
    ];

    /// <summary>The bar for a target in a job, if there is one.</summary>
    public static double? Of(string job, string target) => All.FirstOrDefault(bar => bar.Job == job && bar.Target == target)?.AtLeast;

    private static IEnumerable<DeviceBar> Each(IEnumerable<string> jobs, IEnumerable<string> targets, double atLeast) =>
        from job in jobs from target in targets select new DeviceBar(job, target, atLeast);
}
