// SPDX-License-Identifier: MIT
namespace Cow.Bench.Devices;

/// <summary>What a device must reach in a job.</summary>
/// <param name="Job">As in tests/vm/bench.sh.</param>
/// <param name="Target">As there.</param>
/// <param name="AtLeast">Operations a second, divided by those of dm-linear in the same run.</param>
internal sealed record DeviceBar(string Job, string Target, double AtLeast)
{
    private const string Read = "read-unaltered";
    private const string Remapped = "read-remapped";
    private const string Rewrite = "rewrite-random-4k";
    private const string RandomFirst = "first-write-random-4k";
    private const string SequentialFirst = "first-write-sequential-64k";
    private const string SyncedFirst = "first-write-fsync-16";

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
    ];
}
