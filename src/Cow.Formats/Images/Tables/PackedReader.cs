// SPDX-License-Identifier: MIT
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
}
