// SPDX-License-Identifier: MIT
using System.IO.Compression;
using Cow.Formats.Images.Qcow;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Qcow;

/// <summary>A qcow image whose first clusters are compressed, made by hand: 4 KiB clusters, one table of 512, at 4 KiB, compressed ones from 8 KiB on.</summary>
internal static class CompressedQcow
{
    public const int ClusterBytes = 4096;
    public const int TableAt = 4096;
    public const int DiskBytes = 1 << 20;

    /// <summary>The clusters' content: half of it compresses well.</summary>
    public static byte[] Content(int clusters)
    {
        byte[] content = new byte[clusters * ClusterBytes];
        for (int i = 0; i < content.Length; i++)
        {
            content[i] = unchecked((byte)(i % ClusterBytes < ClusterBytes / 2 ? i / ClusterBytes : (i * 2654435761L) >> 13));
        }
        return content;
    }

    public static byte[] Make(int clusters)
    {
        using MemoryStream image = new();
        QcowHeader header = new(0, 0, DiskBytes, 12, 9, 0, QcowHeader.Bytes, null);
        byte[] start = new byte[TableAt + ClusterBytes];
        header.Write(start, 0);
        WriteUInt64BigEndian(start.AsSpan(QcowHeader.Bytes), TableAt);
        image.Write(start);
        byte[] content = Content(clusters);
        for (int i = 0; i < clusters; i++)
        {
            byte[] packed = Deflate(content.AsSpan(i * ClusterBytes, ClusterBytes));
            WriteUInt64BigEndian(start.AsSpan(TableAt + (8 * i)), 1UL << 63 | (ulong)packed.Length << 51 | (ulong)image.Position);
            image.Write(packed);
        }
        image.Position = 0;
        image.Write(start);
        return image.ToArray();
    }

    public static MutantSeed Seed(string name) => new(new ImageVariant("", DiskBytes), new Dictionary<string, byte[]> { [name] = Make(20) });

    private static byte[] Deflate(ReadOnlySpan<byte> data)
    {
        using MemoryStream packed = new();
        using (DeflateStream stream = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            stream.Write(data);
        }
        return packed.ToArray();
    }
}
