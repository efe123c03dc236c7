// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>One line of a device-mapper table, before it has device names.</summary>
/// <param name="Start">First sector of the mapped device.</param>
/// <param name="Length">Sectors.</param>
/// <param name="Linear">A <c>linear</c> line; else a <c>cow</c> line.</param>
/// <param name="Device">Linear: the format's device.</param>
/// <param name="Sector">Linear: sector on that device.</param>
internal readonly record struct PlannedLine(ulong Start, ulong Length, bool Linear, int Device, ulong Sector)
{
    public ulong End => Start + Length;
}
