// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Doctor;

/// <summary>A device-mapper target that the kernel offers.</summary>
internal sealed record TargetFact(string Name, string Version);
