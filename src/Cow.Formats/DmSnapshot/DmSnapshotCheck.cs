// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.DmSnapshot;

/// <summary>Reads a store's list again and compares it with what is in memory.</summary>
internal static class DmSnapshotCheck
{
    /// <summary>Judges the list on disk.</summary>
    /// <param name="file">The store.</param>
    /// <param name="geometry">Its layout.</param>
    /// <param name="diskChunks">Chunks of the disk.</param>
    /// <param name="lookup">What memory says.</param>
    /// <param name="entries">Entries that memory knows of.</param>
    public static CheckReport Run(IImageFile file, DmSnapshotGeometry geometry, ulong diskChunks, Func<ulong, ulong, Extent> lookup, ulong entries)
    {
        List<string> errors = [];
        List<string> leaks = [];
        ExceptionLog log = new(file, geometry);
        void Compare(DiskException entry, long offset)
        {
            bool same = entry.OldChunk < diskChunks
                && lookup(entry.OldChunk, 1) is { Kind: ExtentKind.Overlay } extent
                && extent.Place.Sector == entry.NewChunk * geometry.ChunkSectors;
            if (!same)
            {
                errors.Add($"the entry at byte {offset} says that chunk {entry.OldChunk} is at chunk {entry.NewChunk} of the store; it was not so when the store was opened");
            }
        }

        try
        {
            byte[] head = new byte[DmSnapshotHeader.Size];
            file.ReadAt(head, 0);
            DmSnapshotHeader.Read(head).Validate(file.Name);
            log.Load(Compare);
            if (log.Count != entries)
            {
                errors.Add($"the list has {log.Count} entries; {entries} were written");
            }
            if (!log.TailIsClear())
            {
                leaks.Add("there are entries behind the end of the list, left by a write that was cut short; opening the store for writing clears them");
            }
        }
        catch (ImageFormatException e)
        {
            errors.Add(e.Message);
        }
        return new CheckReport(errors, leaks, log.Count);
    }
}
