// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Stores;

/// <summary>The store that <c>cowctl check</c> is asked about.</summary>
/// <param name="Cow">Block device or file.</param>
/// <param name="Base">Its base, for the size; null when it is not known.</param>
/// <param name="Sectors">Size of the device over it; null takes the base's.</param>
/// <param name="Format">Name of the format; null probes.</param>
/// <param name="Layers">Layers under it, lowest first: a path, or DATA,BITMAP.</param>
/// <param name="BitmapDevice">Where format <c>bitmap</c> keeps its bitmap; null in front of the data.</param>
internal sealed record CheckSpec(
    string Cow, string? Base, ulong? Sectors, string? Format, IReadOnlyList<string> Layers, string? BitmapDevice);
