// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Stores;

/// <summary>The empty store that <c>cowctl format</c> is asked for.</summary>
/// <param name="Cow">Block device or file; a file is made where there is none.</param>
/// <param name="Base">The base whose changes it will hold; null when the size was given.</param>
/// <param name="Sectors">Size of the device over it; null takes the base's.</param>
/// <param name="Format">Name of the format; null is <c>snapshot</c>.</param>
/// <param name="ChunkSectors">Chunk; null is the format's default.</param>
/// <param name="BitmapDevice">Where format <c>bitmap</c> keeps its bitmap; null puts it in front of the data.</param>
/// <param name="Force">Also over something that is not ours.</param>
internal sealed record FormatSpec(
    string Cow, string? Base, ulong? Sectors, string? Format, ulong? ChunkSectors, string? BitmapDevice, bool Force);
