// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Tables;

/// <summary>The JSON of <c>table</c>.</summary>
/// <param name="Name">The mapped device.</param>
/// <param name="Lines">Its active table.</param>
/// <param name="Devices">The devices that it names by number, and what they are called.</param>
internal sealed record TableReport(string Name, IReadOnlyList<TableLine> Lines, IReadOnlyDictionary<string, string> Devices);
