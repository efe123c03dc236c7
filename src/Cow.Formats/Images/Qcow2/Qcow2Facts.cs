// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>What an opened image says of itself.</summary>
internal static class Qcow2Facts
{
    /// <summary>Of an image, or of a snapshot in it.</summary>
    public static ImageInfo Of(Qcow2Store store, SnapshotEntry? snapshot)
    {
        Qcow2Header header = store.Header;
        ulong size = snapshot is { DiskBytes: > 0 } ? snapshot.DiskBytes : header.Size;
        List<IImageFile> files = [store.Source.File];
        List<string> paths = [store.Source.Path];
        if (store.DataFile is { } data)
        {
            files.Add(data.File);
            paths.Add(data.Path);
        }
        return new ImageInfo(Qcow2Driver.FormatName, Qcow2Store.WholeSectors(size), (uint)(store.Layout.ChunkBytes / 512), files, paths, Backing(store), null, Facts(store))
        {
            ClusterSectors = (uint)(header.ClusterBytes / 512),
            ReadSnapshots = () => Snapshots(store),
            ReadOnlyReason = snapshot is not null ? "a snapshot is never written" : ReadOnlyReason(header),
        };
    }

    /// <summary>Why an image can only be read, or null.</summary>
    public static string? ReadOnlyReason(Qcow2Header header) =>
        header.Has(IncompatibleFeatures.Corrupt) ? "the image is marked corrupt: check and repair it"
        : header.RefcountTableClusters == 0 ? "the image has no refcount table: check and repair it"
        : null;

    private static ImageSnapshot[] Snapshots(Qcow2Store store) =>
        [.. store.Snapshots.Entries.Select(e => new ImageSnapshot(e.Id, e.Name, Qcow2Store.WholeSectors(e.DiskBytes > 0 ? e.DiskBytes : store.Header.Size)))];

    private static BackingReference? Backing(Qcow2Store store)
    {
        Qcow2Header header = store.Header;
        return header.BackingOffset == 0
            ? null
            : new BackingReference([store.File.ReadText(header.BackingOffset, (int)header.BackingLength)], store.Extensions.BackingFormat, null, (long)header.BackingOffset);
    }

    private static List<KeyValuePair<string, string>> Facts(Qcow2Store store)
    {
        Qcow2Header header = store.Header;
        List<KeyValuePair<string, string>> facts =
        [
            new("compat", header.Version == 2 ? "0.10" : "1.1"),
            new("cluster size", Number(header.ClusterBytes)),
            new("refcount bits", Number(1UL << (int)header.RefcountOrder)),
            new("compression type", header.Compression == CompressionType.Zstd ? "zstd" : "zlib"),
            new("lazy refcounts", Truth((header.Compatible & CompatibleFeatures.LazyRefcounts) != 0)),
            new("extended l2", Truth(header.Has(IncompatibleFeatures.ExtendedL2))),
            new("corrupt", Truth(header.Has(IncompatibleFeatures.Corrupt))),
            new("dirty", Truth(header.Has(IncompatibleFeatures.Dirty))),
        ];
        if (store.Extensions.DataFile is { } name)
        {
            facts.Add(new("data file", name));
            facts.Add(new("data file raw", Truth(header.Has(AutoclearFeatures.RawDataFile))));
        }
        return facts;
    }

    private static string Number(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Truth(bool value) => value ? "true" : "false";
}
