// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Adjoining chunks of a map at adjoining places.</summary>
/// <param name="Chunk">First chunk, counted from the start of the map.</param>
/// <param name="Count">Chunks; 0 for none.</param>
/// <param name="Offset">Byte offset of the first one's place.</param>
internal readonly record struct PlacedChunks(ulong Chunk, ulong Count, long Offset);

/// <summary>Judges runs that another process tells us of.</summary>
internal static class PlacedRunBounds
{
    /// <summary>Whether a run has chunks, and all of them are on a disk of so many.</summary>
    public static bool IsInside(this PlacedRun run, ulong chunks) => run.Run.Count > 0 && run.Run.Chunk < chunks && run.Run.Count <= chunks - run.Run.Chunk;
}

/// <summary>Values for the entries of adjoining chunks.</summary>
/// <param name="Chunk">First chunk, counted from the start of the map.</param>
/// <param name="Count">Chunks.</param>
/// <param name="Entry">Entry of the first.</param>
/// <param name="Step">How much more each further one is.</param>
internal readonly record struct EntryRun(ulong Chunk, ulong Count, ulong Entry, ulong Step)
{
    /// <summary>The part from <paramref name="skip"/> chunks on, up to the end of its table.</summary>
    public EntryRun InTable(ulong skip, uint tableEntries)
    {
        ulong chunk = Chunk + skip;
        return new EntryRun(chunk, Math.Min(Count - skip, tableEntries - (chunk % tableEntries)), Entry + (skip * Step), Step);
    }
}
