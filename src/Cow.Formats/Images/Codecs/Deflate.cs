// SPDX-License-Identifier: MIT
using System.IO.Compression;

namespace Cow.Formats.Images.Codecs;

/// <summary>Raw deflate (RFC 1951): unpacked by .NET, packed by the system's libz.</summary>
/// <remarks>Readers of disk images inflate with a window of 4 KiB, which .NET's own packer cannot be held to: hence libz (zlib.h, deflateInit2).</remarks>
internal sealed class Deflate : IClusterCodec
{
    private const int WindowBits = -12;
    private const int MemoryLevel = 9;

    [ThreadStatic]
    private static DeflateState? _state;

    /// <summary>The only one that is needed.</summary>
    public static Deflate Instance { get; } = new();

    /// <inheritdoc/>
    public bool TryUnpack(ReadOnlySpan<byte> packed, Span<byte> data) => Unpack(packed, zlib: false, data) == data.Length;

    /// <summary>Unpacks a deflate stream, or one with a zlib header (RFC 1950).</summary>
    /// <param name="packed">The stream; what follows its end does not matter.</param>
    /// <param name="zlib">Whether it has the header.</param>
    /// <param name="data">Gets as much as there is.</param>
    /// <returns>Bytes that came out: fewer where the stream ends early; negative where it is damaged.</returns>
    public static unsafe int Unpack(ReadOnlySpan<byte> packed, bool zlib, Span<byte> data)
    {
        if (packed.IsEmpty)
        {
            return 0;
        }
        fixed (byte* start = packed)
        {
            using UnmanagedMemoryStream source = new(start, packed.Length);
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

    /// <inheritdoc/>
    public int Pack(ReadOnlySpan<byte> data, Span<byte> packed) => (_state ??= new DeflateState(WindowBits, MemoryLevel)).Pack(data, packed);
}
