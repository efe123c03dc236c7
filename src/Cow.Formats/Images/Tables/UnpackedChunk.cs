// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>The compressed chunk that was read last: who reads a part of one reads the next part soon.</summary>
/// <remarks>One for all images of a chain and all extents of each: there can be thousands, and a chunk can have megabytes. Not thread-safe.</remarks>
internal sealed class UnpackedChunk
{
    private byte[] _bytes = [];
    private byte[] _packed = [];
    private object? _owner;
    private ulong _chunk;

    /// <summary>Whether it is this chunk.</summary>
    /// <param name="owner">Who keeps it.</param>
    /// <param name="chunk">What it is to that one.</param>
    public bool Is(object owner, ulong chunk) => _owner == owner && _chunk == chunk;

    /// <summary>Its bytes from an offset on.</summary>
    public ReadOnlySpan<byte> From(ulong offset) => _bytes.AsSpan((int)offset);

    /// <summary>Room for another one. What was there is forgotten.</summary>
    public Span<byte> Room(int bytes)
    {
        _owner = null;
        _bytes = _bytes.Length < bytes ? new byte[bytes] : _bytes;
        return _bytes.AsSpan(0, bytes);
    }

    /// <summary>It was unpacked into the room.</summary>
    public void Keep(object owner, ulong chunk) => (_owner, _chunk) = (owner, chunk);

    /// <summary>It may read otherwise now.</summary>
    public void Forget(object owner) => _owner = _owner == owner ? null : _owner;

    /// <summary>Room for bytes that are unpacked right away.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="kept">How many that were put there before are kept.</param>
    public byte[] PackedRoom(int bytes, int kept = 0)
    {
        if (_packed.Length < bytes)
        {
            byte[] more = new byte[bytes];
            _packed.AsSpan(0, kept).CopyTo(more);
            _packed = more;
        }
        return _packed;
    }
}
