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

    /// <summary>All of them.</summary>
    public static IReadOnlyList<DeviceBar> All { get; } =
    [
        new(Read, "cow-8", 0.985), new(Read, "cow-128", 0.985), new(Read, "bitmap-128", 0.985),
        new(Remapped, "cow-8", 0.985), new(Remapped, "cow-128", 0.985), new(Remapped, "bitmap-128", 0.985),
        new(Remapped, "cow-128-collapsed", 0.99), new(Remapped, "bitmap-128-collapsed", 0.99),
        new(Rewrite, "cow-8", 0.985), new(Rewrite, "cow-128", 0.985), new(Rewrite, "bitmap-128", 0.985),
        new(Rewrite, "cow-128-collapsed", 0.99), new(Rewrite, "bitmap-128-collapsed", 0.99),
        new(RandomFirst, "cow-8", 0.92), new(RandomFirst, "cow-128", 0.80), new(RandomFirst, "bitmap-128", 0.80),
        new(SequentialFirst, "cow-8", 0.90), new(SequentialFirst, "cow-128", 0.96), new(SequentialFirst, "bitmap-128", 0.96),
        new(SyncedFirst, "cow-8", 0.85), new(SyncedFirst, "cow-128", 0.78), new(SyncedFirst, "bitmap-128", 0.78),
        new(RandomFirst, "cow-8-no-grants", 0.50), new(RandomFirst, "cow-128-no-grants", 0.78),
        new(SequentialFirst, "cow-128-no-grants", 0.82), new(SyncedFirst, "cow-8-no-grants", 0.50),
        new(Read, "chain-30", 0.985),
        new(DeviceRuns.PairJob + Read, "cowctl", 10), new(DeviceRuns.PairJob + Remapped, "cowctl", 10),
        new(DeviceRuns.PairJob + Rewrite, "cowctl", 10),
        new(DeviceRuns.PairJob + RandomFirst, "cowctl", 3),
        .. from job in new[] { Read, Remapped, Rewrite, RandomFirst, SequentialFirst }
           from target in new[] { "cow-8", "cow-128", "bitmap-128" }
           select new DeviceBar(DeviceRuns.FourJobs + job, target, Scaling),
    ];
}
