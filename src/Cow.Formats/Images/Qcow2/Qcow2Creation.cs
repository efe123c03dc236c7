// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>Writes a new image: header, refcount table, refcount blocks, L1 table, one behind the other; the header last.</summary>
internal static class Qcow2Creation
{
    /// <summary>Writes it; durable on return.</summary>
    public static void Write(ImageSource source, ImageCreateOptions options, Qcow2Settings settings)
    {
        Qcow2Header header = HeaderOf(options, settings);
        byte[] first = FirstCluster(ref header, options, settings);
        Qcow2Layout layout = new(header);
        ulong l1Bytes = header.L1Entries * 8UL;
        if (l1Bytes > Qcow2Header.MaxL1Bytes)
        {
            throw new ArgumentException($"clusters of {layout.ClusterBytes} bytes are too small for a disk of {header.Size}");
        }
        ulong table = RefcountTableClusters(header, layout);
        ulong l1 = Math.Max(layout.Clusters(l1Bytes), 1);
        ulong blocks = 1;
        while (blocks << layout.BlockBits < 1 + table + blocks + l1)
        {
            blocks++;
        }
        header = header with
        {
            RefcountTableOffset = layout.ClusterBytes,
            RefcountTableClusters = (uint)table,
            L1Offset = (1 + table + blocks) << layout.ClusterBits,
        };
        if (!source.File.CanGrow && source.File.Length >> layout.ClusterBits < (long)(1 + table + blocks + l1))
        {
            throw NoRoom.For(source.File.Name, "the metadata of such an image");
        }
        Fill(source, 1, table + blocks + l1, layout);
        WriteRefcounts(source, layout, table, blocks, 1 + table + blocks + l1);
        source.File.Flush();
        header.WriteChanged(first);
        source.File.WriteAt(first, 0);
        source.File.Flush();
    }

    /// <summary>Gives every cluster of the disk a place. The file is as long as they reach, and they read as zeros.</summary>
    public static void Preallocate(IDiskImage image)
    {
        ImageInfo info = image.Info;
        ulong chunks = (info.VirtualBytes + (info.ChunkSectors * 512UL) - 1) / (info.ChunkSectors * 512UL);
        for (ulong chunk = 0; chunk < chunks;)
        {
            PlacedRun run = image.Reserve(new ChunkRun(chunk, chunks - chunk), out ByteRange _);
            IImageFile file = info.Files[run.Place.Device];
            long start = (long)run.Place.Sector * 512;
            long end = start + ((long)(run.Run.Count * info.ChunkSectors) * 512);
            if (run.Run.Count == 0 || (!file.CanGrow && end > file.Length))
            {
                throw NoRoom.For(file.Name, "all of the disk");
            }
            if (!file.CanGrow)
            {
                Zeros.Write(file, start, end);
            }
            else if (file.Length < end)
            {
                file.SetLength(end);
            }
            file.Flush();
            image.Commit([run]);
            chunk = run.Run.End;
        }
        image.Flush();
    }

    private static Qcow2Header HeaderOf(ImageCreateOptions options, Qcow2Settings settings)
    {
        int l1Shift = settings.ClusterBits + settings.ClusterBits - (settings.Extended ? 4 : 3);
        ulong entries = (options.VirtualBytes + (1UL << l1Shift) - 1) >> l1Shift;
        if (options.VirtualBytes >= 1UL << 61 || entries > Qcow2Header.MaxL1Bytes / 8)
        {
            throw new ArgumentException($"clusters of {1UL << settings.ClusterBits} bytes are too small for a disk of {options.VirtualBytes}");
        }
        return new Qcow2Header
        {
            Version = settings.Version,
            ClusterBits = (uint)settings.ClusterBits,
            Size = options.VirtualBytes,
            L1Entries = (uint)entries,
            RefcountOrder = (uint)settings.RefcountOrder,
            HeaderLength = (uint)(settings.Version == 2 ? Qcow2Header.Version2Bytes : Qcow2Header.FullBytes),
            Compression = settings.Compression,
            Incompatible = (settings.DataFile is null ? 0 : IncompatibleFeatures.DataFile)
                | (settings.Extended ? IncompatibleFeatures.ExtendedL2 : 0)
                | (settings.Compression == CompressionType.Deflate ? 0 : IncompatibleFeatures.CompressionType),
            Compatible = settings.Lazy ? CompatibleFeatures.LazyRefcounts : 0,
            Autoclear = settings.RawDataFile ? AutoclearFeatures.RawDataFile : 0,
        };
    }

    private static byte[] FirstCluster(ref Qcow2Header header, ImageCreateOptions options, Qcow2Settings settings)
    {
        byte[] backing = Encoding.UTF8.GetBytes(options.Backing?.Names[0] ?? "");
        List<byte> area = [];
        if (options.Backing?.Format is { } format)
        {
            HeaderExtensions.Append(area, HeaderExtensions.BackingFormatType, Encoding.UTF8.GetBytes(format));
        }
        if (settings.DataFile is { } data)
        {
            HeaderExtensions.Append(area, HeaderExtensions.DataFileType, Encoding.UTF8.GetBytes(data));
        }
        byte[] names = HeaderExtensions.FeatureNames();
        // Eight bytes end the extensions, and eight more head each.
        ulong room = header.ClusterBytes - header.HeaderLength - (ulong)backing.Length - 8;
        if (settings.Version >= 3 && (ulong)(area.Count + names.Length + 8) <= room)
        {
            HeaderExtensions.Append(area, HeaderExtensions.FeatureNamesType, names);
        }
        if (backing.Length > Qcow2Header.MaxNameBytes || (ulong)(area.Count + backing.Length + 8) + header.HeaderLength > header.ClusterBytes)
        {
            throw new ArgumentException("the names of backing and data file do not fit the first cluster");
        }
        byte[] first = new byte[header.ClusterBytes];
        area.CopyTo(first, (int)header.HeaderLength);
        if (backing.Length > 0)
        {
            header = header with { BackingOffset = header.HeaderLength + (ulong)area.Count + 8, BackingLength = (uint)backing.Length };
            backing.CopyTo(first, (int)header.BackingOffset);
        }
        header.Write(first);
        return first;
    }

    /// <summary>Enough for every cluster of the disk and all metadata, so that the table need not grow; as far as a table may be so long.</summary>
    private static ulong RefcountTableClusters(Qcow2Header header, Qcow2Layout layout)
    {
        ulong data = settingsFree(header) ? (header.Size >> layout.ClusterBits) + 1 : 0;
        ulong metadata = header.L1Entries + layout.Clusters(header.L1Entries * 8UL) + 64;
        ulong clusters = data + metadata;
        clusters += (clusters >> layout.BlockBits) + 1;
        ulong entries = (clusters >> layout.BlockBits) + 2;
        return Math.Clamp(layout.Clusters(entries * 8), 1, Qcow2Header.MaxRefcountTableBytes >> layout.ClusterBits);

        static bool settingsFree(Qcow2Header header) => !header.Has(IncompatibleFeatures.DataFile);
    }

    private static void Fill(ImageSource source, ulong first, ulong count, Qcow2Layout layout)
    {
        byte[] zeros = new byte[layout.ClusterBytes];
        for (ulong i = 0; i < count; i++)
        {
            source.File.WriteAt(zeros, (long)((first + i) << layout.ClusterBits));
        }
    }

    private static void WriteRefcounts(ImageSource source, Qcow2Layout layout, ulong table, ulong blocks, ulong used)
    {
        byte[] names = new byte[Qcow2Store.WholeSectors(blocks * 8)];
        for (ulong i = 0; i < blocks; i++)
        {
            byte[] block = new byte[layout.ClusterBytes];
            ulong first = i << layout.BlockBits;
            for (ulong cluster = first; cluster < Math.Min(used, (i + 1) << layout.BlockBits); cluster++)
            {
                Refcounts.SetValue(block, cluster - first, layout.RefcountOrder, 1);
            }
            ulong at = (1 + table + i) << layout.ClusterBits;
            source.File.WriteAt(block, (long)at);
            WriteUInt64BigEndian(names.AsSpan((int)i * 8), at);
        }
        source.File.WriteAt(names, (long)layout.ClusterBytes);
    }
}
