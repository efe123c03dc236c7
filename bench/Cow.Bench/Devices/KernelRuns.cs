// SPDX-License-Identifier: MIT
namespace Cow.Bench.Devices;

/// <summary>All that was measured on one kernel.</summary>
/// <param name="Kernel">Its version.</param>
/// <param name="Runs">Operations a second.</param>
/// <param name="Costs">The rest.</param>
internal sealed record KernelRuns(string Kernel, DeviceRuns Runs, IReadOnlyList<Cost> Costs)
{
    /// <summary>Reads what the guests printed.</summary>
    /// <param name="path">Named after the kernel.</param>
    public static KernelRuns Read(string path) => new(Path.GetFileNameWithoutExtension(path), DeviceRuns.Read(path), Cost.Read(path));

    /// <summary>What fell short of its bar, or was not measured.</summary>
    public IEnumerable<string> Missed() =>
    [
        .. DeviceBar.All.Where(bar => !(Runs.Of(bar.Job, bar.Target)?.Median >= bar.AtLeast)).Select(bar => $"{bar.Job} on {bar.Target}"),
        .. CostBar.All.Select(static bar => bar.Name).Except(Costs.Where(static cost => !cost.Missed).Select(static cost => cost.Name)),
    ];
}
