// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Codecs;

/// <summary>Packs and unpacks blocks of bytes, each by itself. Thread-safe.</summary>
internal interface IClusterCodec
{
    /// <summary>Unpacks one block.</summary>
    /// <param name="packed">It begins with the packed block; what follows that does not matter.</param>
    /// <param name="data">Receives the block, of exactly this length.</param>
    /// <returns>False where the bytes are no packed block, or one of fewer bytes.</returns>
    bool TryUnpack(ReadOnlySpan<byte> packed, Span<byte> data);

    /// <summary>Packs one block.</summary>
    /// <param name="data">The block.</param>
    /// <param name="packed">Receives it.</param>
    /// <returns>Bytes written, or 0 where it does not fit.</returns>
    int Pack(ReadOnlySpan<byte> data, Span<byte> packed);
}
