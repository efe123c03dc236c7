// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>What <see cref="ICowFormat.Check"/> found.</summary>
/// <param name="Errors">Sentences; each a damage that can return wrong data.</param>
/// <param name="Leaks">Sentences; each space that is lost and nothing worse.</param>
/// <param name="PlacedChunks">Chunks with a place.</param>
public sealed record CheckReport(IReadOnlyList<string> Errors, IReadOnlyList<string> Leaks, ulong PlacedChunks)
{
    /// <summary>Neither errors nor leaks.</summary>
    public bool Clean => Errors.Count == 0 && Leaks.Count == 0;
}
