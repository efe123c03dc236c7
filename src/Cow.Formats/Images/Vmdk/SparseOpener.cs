// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Opens sparse extents by their magic. Writes nothing.</summary>
internal static class SparseOpener
{
    /// <summary>Bytes of a grain at most, for one that is copied, or inflated in memory.</summary>
    private const uint MostBytesInMemory = 16 << 20;

    /// <summary>Whether a file begins with the magic of a sparse extent.</summary>
    public static bool Probe(IImageFile file) => HostedHeader.Probe(file) || CowdHeader.Probe(file) || SeSparseHeader.Probe(file);

    /// <summary>Opens an extent.</summary>
    /// <param name="file">Its file.</param>
    /// <param name="fileIndex">The file's number in the image.</param>
    /// <param name="unpacked">Keeps the compressed grain that was read last.</param>
    /// <exception cref="ImageFormatException">It is not as it should be.</exception>
    public static SparseExtent Open(CachedFile file, int fileIndex, UnpackedChunk unpacked)
    {
        bool hosted = HostedHeader.Probe(file);
        // Not before something was read: whoever tells what a descriptor says opens no extents, and knows no length.
        Expect.NotEndless(file);
        if (hosted)
        {
            return Hosted(file, fileIndex, HostedHeader.Read(file), unpacked);
        }
        if (CowdHeader.Probe(file))
        {
            return Cowd(file, fileIndex, CowdHeader.Read(file));
        }
        Expect.That(SeSparseHeader.Probe(file), file, 0, "the magic of a sparse extent: KDMV, COWD, or 0xcafebabe", "none of them");
        return SeSparse(file, fileIndex, SeSparseHeader.Read(file));
    }

    private static SparseExtent Hosted(CachedFile file, int fileIndex, HostedHeader header, UnpackedChunk unpacked)
    {
        uint grainBytes = (uint)header.GrainSectors * 512;
        Expect.That(!header.IsPacked || grainBytes <= MostBytesInMemory, file, 0, $"compressed grains of {MostBytesInMemory} bytes at most", grainBytes);
        RangeSet metadata = new(512);
        Claim(file, metadata, 0, HostedHeader.Bytes);
        Claim(file, metadata, header.DescriptorAt, header.DescriptorAt == 0 ? 0 : header.DescriptorSectors * 512);
        Claim(file, metadata, header.DirectoryAt, header.Tables * sizeof(uint));
        bool mirrored = header.HasMirror && !header.IsPacked;
        if (mirrored)
        {
            // Where it does not count, the place can be any number.
            Claim(file, metadata, header.MirrorAt, header.Tables * sizeof(uint));
        }

        long least = metadata.End;
        GrainCodec codec = new(grainBytes, (header.Flags & HostedFlags.Zeroed) != 0, header.IsPacked);
        TableGeometry geometry = new((long)header.DirectoryAt * 512, header.Tables, header.TableEntries, grainBytes, header.Capacity * 512);
        TwoLevelMap map = new(file, fileIndex, codec, geometry, metadata);
        TableMirror? mirror = mirrored ? new(map, new(file, fileIndex, codec, geometry with { DirectoryAt = (long)header.MirrorAt * 512 }, metadata)) : null;
        ClaimTables(map, mirror);
        return new SparseExtent(map, new SparseParts
        {
            Mirror = mirror,
            HasZeroed = (header.Flags & HostedFlags.Zeroed) != 0,
            LeastBytes = Math.Max((long)header.Overhead * 512, least),
            Packed = header.IsPacked ? new PackedGrain(file, header, unpacked) : null,
            Unpacked = unpacked,
            Mark = new UncleanMark(file, HostedHeader.UncleanAt, header.Unclean != 0),
            ReadOnlyReason = header.IsPacked ? "its grains are compressed: streamOptimized is for transport"
                : header.Version >= 3 ? "it is of version 3: another program tracks its changes"
                : ReasonOf(file, grainBytes),
        });
    }

    private static SparseExtent Cowd(CachedFile file, int fileIndex, CowdHeader header)
    {
        uint grainBytes = header.GrainSectors * 512;
        RangeSet metadata = new(512);
        Claim(file, metadata, 0, CowdHeader.Bytes);
        Claim(file, metadata, header.DirectoryAt, header.Tables * (ulong)sizeof(uint));
        long least = metadata.End;
        GrainCodec codec = new(grainBytes, zeroed: false, packed: false);
        TableGeometry geometry = new((long)header.DirectoryAt * 512, header.Tables, CowdHeader.TableEntries, grainBytes, header.Capacity * 512UL);
        return new SparseExtent(Map(file, fileIndex, codec, geometry, metadata), new SparseParts
        {
            Mark = new UncleanMark(file, CowdHeader.UncleanAt, header.Unclean != 0, CowdHeader.NextFreeAt, header.NextFree),
            HasNextFree = true,
            LeastBytes = least,
            ReadOnlyReason = ReasonOf(file, grainBytes),
        });
    }

    private static SparseExtent SeSparse(CachedFile file, int fileIndex, SeSparseHeader header)
    {
        RangeSet metadata = new(512);
        Claim(file, metadata, 0, SeSparseHeader.Bytes);
        Claim(file, metadata, header.DirectoryAt, header.Tables * sizeof(ulong));
        SeSparseCodec codec = new((long)header.TablesAt * 512, (long)header.TablesSectors * 512, (long)header.GrainsAt * 512);
        TableGeometry geometry = new(
            (long)header.DirectoryAt * 512, header.Tables, SeSparseHeader.TableEntries, SeSparseCodec.GrainBytes, header.Capacity * 512);
        return new SparseExtent(Map(file, fileIndex, codec, geometry, metadata), new SparseParts
        {
            ReadOnlyReason = "it is seSparse, whose journal is not documented",
        });
    }

    private static TwoLevelMap Map(CachedFile file, int fileIndex, TableCodec codec, TableGeometry geometry, RangeSet metadata)
    {
        TwoLevelMap map = new(file, fileIndex, codec, geometry, metadata);
        ClaimTables(map, null);
        return map;
    }

    private static void ClaimTables(TwoLevelMap map, TableMirror? mirror) =>
        TableClaims.Run(map, (at, expected, found) => throw Expect.Error(map.File, at, expected, found), mirror?.Map, mirror is null ? null : mirror.Note);

    private static void Claim(CachedFile file, RangeSet metadata, ulong sector, ulong bytes) =>
        Expect.That(metadata.TryAdd((long)sector * 512, (long)bytes), file, 0, "header, descriptor and directories apart from each other", $"something else at sector {sector}");

    private static string? ReasonOf(CachedFile file, uint grainBytes) =>
        grainBytes > MostBytesInMemory ? $"its grains have {grainBytes} bytes, too many to be copied at once"
        : !file.CanGrow ? "VMDK takes its space behind the end of a file, and this is a device"
        : null;
}
