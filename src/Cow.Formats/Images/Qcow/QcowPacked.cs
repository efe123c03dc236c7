// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Codecs;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow;

/// <summary>Compressed clusters of qcow: a deflate stream without header, which always gives a whole cluster.</summary>
internal sealed class QcowPacked(CachedFile file, uint clusterBytes) : IPackedChunks
{
    private readonly byte[] _cluster = new byte[clusterBytes];
    private byte[] _packed = [];

    public TableEntry Measure(ulong chunk, TableEntry entry) => entry;

    public void Inflate(ulong chunk, TableEntry entry, Span<byte> data)
    {
        _packed = _packed.Length < entry.Length ? new byte[entry.Length] : _packed;
        Span<byte> packed = _packed.AsSpan(0, (int)entry.Length);
        file.Uncached.ReadAt(packed, entry.Offset);
        int got = Deflate.Unpack(packed, zlib: false, _cluster);
        Expect.That(got == _cluster.Length, file, entry.Offset, $"a deflate stream of {_cluster.Length} bytes", got < 0 ? "a damaged one" : $"one of {got}");
        _cluster.AsSpan(0, data.Length).CopyTo(data);
    }
}
