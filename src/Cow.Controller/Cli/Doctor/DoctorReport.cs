// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Doctor;

/// <summary>The JSON of <c>doctor</c>.</summary>
/// <param name="Kernel">Release of the running kernel.</param>
/// <param name="DeviceMapper">Version of its device-mapper; null where there is none.</param>
/// <param name="ModuleLoaded">Whether dm-cow is loaded.</param>
/// <param name="Targets">The module's targets.</param>
/// <param name="Daemon">The daemon about itself; null when it does not run.</param>
/// <param name="Findings">What is not as it should be.</param>
internal sealed record DoctorReport(
    string Kernel,
    string? DeviceMapper,
    bool ModuleLoaded,
    IReadOnlyList<TargetFact> Targets,
    DaemonReport? Daemon,
    IReadOnlyList<Finding> Findings);
