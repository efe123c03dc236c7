// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Codecs;

/// <summary>Zstandard (RFC 8878), by the system's libzstd: .NET has none.</summary>
internal sealed class Zstd : IClusterCodec
{
    [ThreadStatic]
    private static ZstdState? _state;

    /// <summary>The only one that is needed.</summary>
    public static Zstd Instance { get; } = new();

    private static ZstdState State => _state ??= new ZstdState();

    /// <inheritdoc/>
    public bool TryUnpack(ReadOnlySpan<byte> packed, Span<byte> data) => State.TryUnpack(packed, data);

    /// <inheritdoc/>
    public int Pack(ReadOnlySpan<byte> data, Span<byte> packed) => State.Pack(data, packed);
}
