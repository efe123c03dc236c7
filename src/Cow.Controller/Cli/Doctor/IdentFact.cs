// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Doctor;

/// <summary>An ident that the module holds.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Gone">No table line refers to it.</param>
/// <param name="Controlled">A controller is attached.</param>
/// <param name="Uncommitted">Runs that no metadata names yet.</param>
internal sealed record IdentFact(string Name, bool Gone, bool Controlled, ulong Uncommitted);
