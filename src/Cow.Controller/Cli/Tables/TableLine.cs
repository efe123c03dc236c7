// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Tables;

/// <summary>One line of a live device-mapper table.</summary>
/// <param name="Start">First sector of the mapped device that it serves.</param>
/// <param name="Sectors">How many it serves.</param>
/// <param name="Target">cow, linear, ...</param>
/// <param name="Arguments">What follows, as the kernel prints it.</param>
internal sealed record TableLine(ulong Start, ulong Sectors, string Target, string Arguments)
{
    /// <summary>As dmsetup prints it.</summary>
    public override string ToString() => $"{Start} {Sectors} {Target} {Arguments}".TrimEnd();
}
