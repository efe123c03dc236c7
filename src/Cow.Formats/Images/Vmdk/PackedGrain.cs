// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Codecs;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Compressed grains: a marker with the sector of the disk and the number of bytes, and a zlib stream.</summary>
internal sealed class PackedGrain(CachedFile file, HostedHeader header, UnpackedChunk unpacked) : IPackedChunks
{
    /// <summary>Bytes of a marker before its stream.</summary>
    public const int MarkerBytes = 12;

    private const int SizeAt = 8;

    /// <summary>Bytes of a stream that are read at once. A hole of so many is not in the middle of one: data that is stored, not packed, has another header
    /// before that (RFC 1951, section 3.2.4).</summary>
    private const int PieceBytes = 64 * 1024;

    /// <summary>How much more is looked at when that was not enough.</summary>
    private const int Growth = 4;

    /// <summary>Bytes that a stream may take: data that does not compress grows, but not to twice its size.</summary>
    private readonly long _most = ((long)header.GrainSectors * 512 * 2) + 512;

    private readonly bool _markers = (header.Flags & HostedFlags.Markers) != 0;

    public TableEntry Measure(ulong chunk, TableEntry entry)
    {
        if (!_markers)
        {
            return entry with { Length = Math.Min(_most, file.Length - entry.Offset) };
        }
        Span<byte> marker = stackalloc byte[MarkerBytes];
        file.Uncached.ReadAt(marker, entry.Offset);
        ulong sector = ReadUInt64LittleEndian(marker);
        uint size = ReadUInt32LittleEndian(marker[SizeAt..]);
        Expect.That(sector == chunk * header.GrainSectors, file, entry.Offset, $"the marker of the grain at sector {chunk * header.GrainSectors}", sector);
        bool inside = size > 0 && size <= _most && Expect.Inside((ulong)entry.Offset + MarkerBytes, size, file.Length);
        Expect.That(inside, file, entry.Offset + SizeAt, $"1 to {_most} compressed bytes inside the file", size);
        return entry with { Length = MarkerBytes + size };
    }

    public void Inflate(ulong chunk, TableEntry entry, Span<byte> data)
    {
        int skip = _markers ? MarkerBytes : 0;
        int most = (int)entry.Length - skip;
        int wanted = PieceBytes / Growth;
        int read = 0;
        int got;
        do
        {
            wanted = (int)Math.Min((long)wanted * Growth, most);
            read = Read(entry.Offset + skip, read, wanted);
            got = Deflate.Unpack(unpacked.PackedRoom(read).AsSpan(0, read), zlib: true, data);
        }
        while (got >= 0 && got < data.Length && read == wanted && wanted < most);
        Expect.That(got == data.Length, file, entry.Offset, $"a zlib stream of {data.Length} bytes", got < 0 ? "a damaged one" : $"one of {got}");
    }

    /// <summary>Reads a stream further, but not into a hole that it cannot go on behind.</summary>
    /// <returns>How much of it there is then.</returns>
    private int Read(long at, int from, int to)
    {
        byte[] packed = unpacked.PackedRoom(to, kept: from);
        while (from < to && file.NextData(at + from) - at - from < PieceBytes)
        {
            int count = Math.Min(PieceBytes, to - from);
            file.Uncached.ReadAt(packed.AsSpan(from, count), at + from);
            from += count;
        }
        return from;
    }
}
