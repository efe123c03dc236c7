// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Stores;

/// <summary>The JSON of <c>format</c>: an empty store, made or planned.</summary>
/// <param name="Cow">Where it is or would be.</param>
/// <param name="Format">Its format.</param>
/// <param name="Sectors">Sectors of the device over it.</param>
/// <param name="ChunkSectors">Sectors of a chunk.</param>
/// <param name="MetadataBytes">Bytes of metadata when every chunk has been rewritten.</param>
/// <param name="FullRewriteBytes">Bytes that the CoW device must have to take that.</param>
/// <param name="CowBytes">Bytes that it has now; null for a file, which grows.</param>
/// <param name="Written">False for a dry run.</param>
internal sealed record FormatReport(
    string Cow, string Format, ulong Sectors, ulong ChunkSectors, long MetadataBytes, long FullRewriteBytes, long? CowBytes, bool Written);
