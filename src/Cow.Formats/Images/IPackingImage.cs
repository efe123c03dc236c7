// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images;

/// <summary>An image into which compressed clusters can be put: for conversion, offline.</summary>
/// <remarks>Clusters become visible and durable with the next <see cref="IDiskImage.Flush"/>.</remarks>
public interface IPackingImage : IDiskImage
{
    /// <summary>Bytes of the disk that are packed together.</summary>
    int PackBytes { get; }

    /// <summary>Packs one cluster. Touches nothing; any number of threads may call it at once.</summary>
    /// <param name="data">The cluster; the last one of the disk filled up with zeros.</param>
    /// <param name="packed">Receives it; <see cref="PackBytes"/> long.</param>
    /// <returns>Bytes written, or 0 where it does not become smaller and is better written as it is.</returns>
    int Pack(ReadOnlySpan<byte> data, Span<byte> packed);

    /// <summary>Appends a packed cluster.</summary>
    /// <param name="offset">Byte offset on the disk, a multiple of <see cref="PackBytes"/>; the image holds nothing there.</param>
    /// <param name="packed">What <see cref="Pack"/> gave.</param>
    /// <exception cref="IOException">The image is full.</exception>
    void WritePacked(ulong offset, ReadOnlySpan<byte> packed);

    /// <summary>Packs and appends one cluster.</summary>
    /// <returns>False where it does not become smaller: then nothing was done.</returns>
    bool TryWritePacked(ulong offset, ReadOnlySpan<byte> data);
}
