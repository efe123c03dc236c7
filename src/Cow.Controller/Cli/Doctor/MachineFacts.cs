// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Doctor;

/// <summary>What was found on the machine, not yet judged.</summary>
/// <param name="Kernel">Release of the running kernel.</param>
/// <param name="DeviceMapper">Version of its device-mapper; null where there is none.</param>
/// <param name="ModuleLoaded">Whether dm-cow is loaded.</param>
/// <param name="ChannelProblem">Why /dev/dm-cow could not be asked though the module is loaded; null when it could.</param>
/// <param name="Targets">The module's targets.</param>
/// <param name="Mapped">Mapped devices that are ours, or have a <c>cow</c> line.</param>
/// <param name="Idents">What the module holds.</param>
/// <param name="LostLoops">Loop devices over files that are gone.</param>
/// <param name="StateFiles">Names of devices that have a state file.</param>
internal sealed record MachineFacts(
    string Kernel,
    string? DeviceMapper,
    bool ModuleLoaded,
    string? ChannelProblem,
    IReadOnlyList<TargetFact> Targets,
    IReadOnlyList<MappedFact> Mapped,
    IReadOnlyList<IdentFact> Idents,
    IReadOnlyList<LoopFact> LostLoops,
    IReadOnlyList<string> StateFiles)
{
    /// <summary>Devices that are to be there at boot, where systemd is to start the daemon and does not.</summary>
    public IReadOnlyList<string> NotAtBoot { get; init; } = [];
}
