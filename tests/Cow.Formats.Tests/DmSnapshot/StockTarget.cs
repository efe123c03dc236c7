// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>The kernel's persistent exception store as far as its bytes go, after the description of the format: reads to the first zero entry, allocates above
/// the highest chunk that it saw, zeros the next area before it fills one, writes whole areas.</summary>
internal sealed class StockTarget
{
    private readonly byte[] _store;
    private readonly int _chunk;
    private readonly ulong _entries;
    private ulong _next = 2;
    private ulong _count;

    public StockTarget(byte[] store)
    {
        _store = store;
        Assert.That(ReadUInt32LittleEndian(store), Is.EqualTo(0x70416e53));
        _chunk = (int)ReadUInt32LittleEndian(store.AsSpan(12)) * 512;
        _entries = (ulong)_chunk / 16;
        while (ReadUInt64LittleEndian(Slot(_count)[8..]) is > 0 and ulong place)
        {
            Map.Add(ReadUInt64LittleEndian(Slot(_count)), place);
            _next = Math.Max(_next, place + 1);
            _count++;
        }
        SkipArea();
    }

    public Dictionary<ulong, ulong> Map { get; } = [];

    /// <summary>A first write to a chunk.</summary>
    /// <returns>Chunk of the store.</returns>
    public ulong Write(ulong chunk)
    {
        ulong place = _next++;
        SkipArea();
        Map.Add(chunk, place);
        WriteUInt64LittleEndian(Slot(_count), chunk);
        WriteUInt64LittleEndian(Slot(_count)[8..], place);
        _count++;
        if (_count % _entries == 0)
        {
            Slot(_count)[.._chunk].Clear();
        }
        return place;
    }

    private void SkipArea()
    {
        if (_next % (_entries + 1) == 1)
        {
            _next++;
        }
    }

    private Span<byte> Slot(ulong entry) => _store.AsSpan((int)(((1 + (entry / _entries * (_entries + 1))) * (ulong)_chunk) + (entry % _entries * 16)));
}
