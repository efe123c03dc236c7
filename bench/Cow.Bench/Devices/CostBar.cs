// SPDX-License-Identifier: MIT
namespace Cow.Bench.Devices;

/// <summary>What a cost may be.</summary>
/// <param name="Name">As in tests/vm/costs.sh.</param>
/// <param name="AtMost">In the unit that is measured.</param>
internal sealed record CostBar(string Name, double AtMost)
{
    private const double MiB = 1 << 20;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<CostBar> All { get; } =
    [
        new("kernel-bytes-a-chunk-dense", 16), new("kernel-bytes-a-chunk-scattered", 64),
        new("daemon-resident-1-device", 160 * MiB), new("daemon-bytes-a-further-device", MiB),
        new("create-device-100", 50_000), new("create-device-1000", 50_000),
        new("reload-pause-against-linear", 2),
    ];
}
