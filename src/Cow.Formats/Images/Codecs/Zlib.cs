// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Codecs;

/// <summary>Deflate with zlib's header and checksum (RFC 1950), packed by the system's libz.</summary>
internal static class Zlib
{
    private const int WindowBits = 15;
    private const int MemoryLevel = 8;

    [ThreadStatic]
    private static DeflateState? _state;

    /// <summary>Bytes that a block takes at most: zlib.h, compressBound.</summary>
    public static int MostPackedBytes(int bytes) => bytes + (bytes >> 12) + (bytes >> 14) + (bytes >> 25) + 13;

    /// <summary>Packs one block.</summary>
    /// <param name="data">The block.</param>
    /// <param name="packed">Receives it; <see cref="MostPackedBytes"/> long.</param>
    /// <returns>Bytes written.</returns>
    public static int Pack(ReadOnlySpan<byte> data, Span<byte> packed) => (_state ??= new DeflateState(WindowBits, MemoryLevel)).Pack(data, packed);
}
