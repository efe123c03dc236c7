// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>
/// A file or device as a format sees it: positions in bytes, no current position, no short transfers.
/// </summary>
/// <remarks>Not thread-safe. Any offset and length may be asked for; an implementation over O_DIRECT aligns inside.
/// A write is a promise only after <see cref="Flush"/>; until then any subset of its 512-byte sectors may survive a loss of power.</remarks>
public interface IImageFile : IDisposable
{
    /// <summary>Path or other name, for messages.</summary>
    string Name { get; }

    /// <summary>Bytes in it now.</summary>
    long Length { get; }

    /// <summary>Whether it grows when it is written behind its end, and <see cref="SetLength"/> works: a file does, a device does not.</summary>
    bool CanGrow => false;

    /// <summary>Makes it longer, with zeros, or shorter.</summary>
    /// <exception cref="NotSupportedException">It is a device.</exception>
    void SetLength(long bytes) => throw new NotSupportedException($"{Name} is a device: its length is fixed");

    /// <summary>How far the bytes from an offset on are zeros because the file has a hole there: tables that lie in one need no reading.</summary>
    /// <param name="offset">Byte offset inside the file.</param>
    /// <returns>Byte offset of the next data, or the file's length; <paramref name="offset"/> itself where data is, or where nothing is known of holes.</returns>
    long NextData(long offset) => offset;

    /// <summary>Fills <paramref name="buffer"/> from <paramref name="offset"/> on.</summary>
    /// <exception cref="IOException">Not all of it could be read; reading beyond the end is such a case.</exception>
    void ReadAt(Span<byte> buffer, long offset);

    /// <summary>Writes all of <paramref name="data"/>. A device does not grow; a file does.</summary>
    void WriteAt(ReadOnlySpan<byte> data, long offset);

    /// <summary>Makes all writes before it durable.</summary>
    void Flush();
}
