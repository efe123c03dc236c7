// SPDX-License-Identifier: MIT
namespace Cow.Bench.Devices;

/// <summary>A job on a target against dm-linear, over all rounds.</summary>
/// <param name="Median">The middle ratio.</param>
/// <param name="Least">The lowest.</param>
/// <param name="Most">The highest.</param>
/// <param name="Iops">Operations a second of the guest's clock, on average.</param>
internal sealed record Ratio(double Median, double Least, double Most, double Iops);
