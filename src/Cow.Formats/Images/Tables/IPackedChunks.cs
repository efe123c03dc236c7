// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>What a format knows about its compressed chunks.</summary>
internal interface IPackedChunks
{
    /// <summary>The place of a compressed chunk as it really is, where an entry does not say all.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="entry">Its entry, judged by the map.</param>
    /// <exception cref="ImageFormatException">There is no such chunk at the place.</exception>
    TableEntry Measure(ulong chunk, TableEntry entry);

    /// <summary>Inflates a chunk.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="entry">Its place, measured.</param>
    /// <param name="data">Gets it: a chunk of bytes, less at the end of the disk where the format allows that.</param>
    /// <exception cref="ImageFormatException">It does not give that many bytes.</exception>
    void Inflate(ulong chunk, TableEntry entry, Span<byte> data);
}
