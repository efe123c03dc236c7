// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>A compressed image that is written from its first byte to its last, and read only afterwards: for conversion.</summary>
/// <remarks>One thread at a time, but for <see cref="Pack"/>.</remarks>
public interface IStreamedImage
{
    /// <summary>Bytes of the disk that are packed together; a power of two.</summary>
    int PackBytes { get; }

    /// <summary>Bytes that <see cref="Pack"/> needs at most: what does not compress grows.</summary>
    int MostPackedBytes { get; }

    /// <summary>Packs one part. Touches nothing; any number of threads may call it at once.</summary>
    /// <param name="data">The part; the last one of the disk filled up with zeros.</param>
    /// <param name="packed">Receives it; <see cref="MostPackedBytes"/> long.</param>
    /// <returns>Bytes written.</returns>
    int Pack(ReadOnlySpan<byte> data, Span<byte> packed);

    /// <summary>Appends a packed part. Parts come in the order of the disk; those that never come are zeros.</summary>
    /// <param name="offset">Byte offset on the disk, a multiple of <see cref="PackBytes"/>.</param>
    /// <param name="packed">What <see cref="Pack"/> gave.</param>
    /// <exception cref="IOException">The image is full.</exception>
    void Append(ulong offset, ReadOnlySpan<byte> packed);

    /// <summary>Ends the image. It is not durable yet.</summary>
    void Complete();
}
