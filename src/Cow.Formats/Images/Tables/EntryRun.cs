// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

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
