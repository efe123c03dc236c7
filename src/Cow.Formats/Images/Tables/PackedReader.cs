// SPDX-License-Identifier: MIT
using System.IO.Compression;

namespace Cow.Formats.Images.Tables;

/// <summary>Reads compressed chunks of a map, and keeps the last one: who reads a part of one reads the next part soon.</summary>
internal sealed class PackedReader(TwoLevelMap map, IPackedChunks chunks)
{
    private byte[] _bytes = [];
    private ulong? _chunk;

    /// <summary>Reads a part of a compressed chunk.</summary>
    /// <param name="offset">Byte offset on the part of the disk that the map covers.</param>
    /// <param name="data">Bytes to fill, of one chunk.</param>
    /// <exception cref="ImageFormatException">It is damaged.</exception>
    public void Read(ulong offset, Span<byte> data)
    {
        ulong chunk = offset / map.Geometry.ChunkBytes;
        if (_chunk != chunk)
        {
            _chunk = null;
            int length = LengthOf(map, chunk);
            _bytes = _bytes.Length == length ? _bytes : new byte[length];
            chunks.Inflate(chunk, chunks.Measure(chunk, map.EntryOf(chunk, out _)), _bytes);
            _chunk = chunk;
        }
        _bytes.AsSpan((int)(offset % map.Geometry.ChunkBytes), data.Length).CopyTo(data);
    }

    /// <summary>Forgets the last chunk: it may have a place now.</summary>
    public void Clear() => _chunk = null;

    /// <summary>Bytes of a chunk on the disk: less than others at the end.</summary>
    public static int LengthOf(TwoLevelMap map, ulong chunk) =>
        (int)Math.Min(map.Geometry.ChunkBytes, map.Geometry.DiskBytes - (chunk * map.Geometry.ChunkBytes));

    /// <summary>Inflates a deflate stream (RFC 1951), or one with a zlib header (RFC 1950).</summary>
    /// <param name="packed">The stream; what follows its end does not matter.</param>
    /// <param name="zlib">Whether it has the header.</param>
    /// <param name="data">Gets as much as there is.</param>
    /// <returns>Bytes that came out: fewer where the stream ends early; negative where it is damaged.</returns>
    public static int Inflate(byte[] packed, bool zlib, Span<byte> data)
    {
        using MemoryStream source = new(packed, writable: false);
        using Stream stream = zlib ? new ZLibStream(source, CompressionMode.Decompress) : new DeflateStream(source, CompressionMode.Decompress);
        try
        {
            return stream.ReadAtLeast(data, data.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException)
        {
            return -1;
        }
    }
}
