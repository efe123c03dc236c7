// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Doctor;

/// <summary>A loop device whose file is not where it was.</summary>
/// <param name="Device">/dev/loopN.</param>
/// <param name="File">The file as it was called.</param>
/// <param name="Users">Devices that lie on it.</param>
internal sealed record LoopFact(string Device, string File, IReadOnlyList<string> Users);
