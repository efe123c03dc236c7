// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Doctor;

/// <summary>A mapped device that is ours, or that somebody else made with lines of our target.</summary>
/// <param name="Name">As it is called now.</param>
/// <param name="Device">The name that cowctl gave it, whatever its table is by now; null where it is not ours.</param>
/// <param name="Idents">Idents of its lines of target <c>cow</c>; of a device of ours nobody asks.</param>
internal sealed record MappedFact(string Name, string? Device, IReadOnlyList<string> Idents);
