// SPDX-License-Identifier: MIT
using System.Text.Json.Serialization;

namespace Cow.Controller.Cli.Stores;

/// <summary>The JSON of <c>check</c>.</summary>
/// <param name="Cow">The store.</param>
/// <param name="Format">Its format.</param>
/// <param name="ChunkSectors">Sectors of a chunk.</param>
/// <param name="PlacedChunks">Chunks that it holds.</param>
/// <param name="Errors">Damage that can return wrong data.</param>
/// <param name="Leaks">Space that is lost, and nothing worse.</param>
internal sealed record StoreCheckReport(
    string Cow, string Format, ulong ChunkSectors, ulong PlacedChunks, IReadOnlyList<string> Errors, IReadOnlyList<string> Leaks)
{
    /// <summary>Errors and leaks that there were before a repair and are no more.</summary>
    public IReadOnlyList<string> Repaired { get; init; } = [];

    /// <summary>A repair that was not tried may cure errors, too. For the advice only.</summary>
    [JsonIgnore]
    public bool MayBeRepaired { get; init; }
}
