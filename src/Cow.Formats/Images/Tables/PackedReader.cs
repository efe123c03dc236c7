// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Reads compressed chunks of a map.</summary>
/// <param name="map">The map.</param>
/// <param name="chunks">What the format knows about them.</param>
/// <param name="unpacked">Keeps the last one.</param>
internal sealed class PackedReader(TwoLevelMap map, IPackedChunks chunks, UnpackedChunk unpacked)
{
    /// <summary>Reads a part of a compressed chunk.</summary>
    /// <param name="offset">Byte offset on the part of the disk that the map covers.</param>
    /// <param name="data">Bytes to fill, of one chunk.</param>
    /// <exception cref="ImageFormatException">It is damaged.</exception>
    public void Read(ulong offset, Span<byte> data)
    {
        ulong chunk = offset / map.Geometry.ChunkBytes;
        if (!unpacked.Is(this, chunk))
        {
            Span<byte> room = unpacked.Room(LengthOf(map, chunk));
            chunks.Inflate(chunk, chunks.Measure(chunk, map.EntryOf(chunk, out _)), room);
            unpacked.Keep(this, chunk);
        }
        unpacked.From(offset % map.Geometry.ChunkBytes)[..data.Length].CopyTo(data);
    }

    /// <summary>Forgets the last chunk: it may have a place now.</summary>
    public void Clear() => unpacked.Forget(this);

    /// <summary>Bytes of a chunk on the disk: less than others at the end.</summary>
    public static int LengthOf(TwoLevelMap map, ulong chunk) =>
        (int)Math.Min(map.Geometry.ChunkBytes, map.Geometry.DiskBytes - (chunk * map.Geometry.ChunkBytes));
}
