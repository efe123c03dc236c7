// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>Looks whether compressed clusters can be unpacked.</summary>
/// <remarks>Any number of entries may name the same bytes, or bytes that lie over each other; honest ones do so only where snapshots share a cluster.
/// So places are gathered, sorted and unpacked once each, from the bytes that they have for themselves: what goes in is bounded by the file, and what
/// comes out by what goes in. Holes go in too, and to deflate zero bits may be a match: those that all clusters have together are bounded, and honest
/// ones hardly have any.</remarks>
internal sealed class PackedScan(Qcow2Store store, Findings findings)
{
    /// <summary>Places gathered before a look.</summary>
    private const int Most = 1 << 20;

    /// <summary>The most that a byte unpacks to on average: two bits are the least for a match, which is of 258 bytes at most (RFC 1951, section 3.2.5).
    /// Zstandard can do better, at which some of its clusters may not be looked at.</summary>
    private const ulong Ratio = 1032;

    /// <summary>Bytes of holes that are unpacked at most. Of the clusters with more some may not be looked at.</summary>
    private const ulong MostHoles = 4 << 20;

    private readonly PackedClusters _packed = new(store, new UnpackedChunk());
    private readonly byte[] _cluster = new byte[store.Layout.ClusterBytes];

    // Byte offsets, and for each the most bytes and the table with the entry.
    private readonly List<ulong> _places = [];
    private readonly List<(ulong Length, ulong Table)> _entries = [];
    private ulong _holes;

    /// <summary>Takes note of a cluster.</summary>
    /// <param name="entry">Its entry, judged already.</param>
    /// <param name="table">Byte offset of the table, for messages.</param>
    public void Add(L2Entry entry, ulong table)
    {
        if (_places.Count == Most)
        {
            Look();
        }
        (ulong offset, ulong length) = entry.Packed(store.Layout);
        if (store.Header.Compression == CompressionType.Deflate && length * Ratio < store.Layout.ClusterBytes)
        {
            findings.Errors.Add(new ImageFormatException(store.File.Name, (long)offset, $"deflate data of {store.Layout.ClusterBytes} bytes", $"{length} bytes, which cannot be so much").Message);
            return;
        }
        _places.Add(offset);
        _entries.Add((length, table));
    }

    /// <summary>Looks at what was gathered.</summary>
    public void Look()
    {
        Ascending.Sort(_places, _entries);
        ulong room = 0;
        for (int i = 0; i < _places.Count && !findings.Errors.IsFull; i++)
        {
            ulong next = i + 1 < _places.Count ? _places[i + 1] : ulong.MaxValue;
            ulong own = Math.Min(next - _places[i], _entries[i].Length);
            // No more than for one: much of a place may be a hole.
            room = Math.Min(room + (Ratio * own), store.Layout.ClusterBytes);
            if (room == store.Layout.ClusterBytes && MayUnpack(_places[i], own))
            {
                room = 0;
                Unpack((_places[i], own), _entries[i].Table);
            }
        }
        _places.Clear();
        _entries.Clear();
    }

    /// <summary>Whether the holes of a place may be unpacked, which then counts.</summary>
    private bool MayUnpack(ulong offset, ulong length)
    {
        ulong holes = HolesIn(offset, Math.Min(length, store.File.Length - offset));
        bool may = holes == 0 || holes <= MostHoles - _holes;
        _holes += may ? holes : 0;
        return may;
    }

    /// <summary>Bytes of holes that are read of a place.</summary>
    private ulong HolesIn(ulong offset, ulong length)
    {
        ulong holes = 0;
        ulong end = offset + length;
        for (ulong at = offset, hole = 0; at < end && hole <= PackedClusters.MostStored;)
        {
            ulong data = Math.Min((ulong)store.File.Data.NextData((long)at), end);
            hole = data - at;
            holes += Math.Min(hole, PackedClusters.MostStored);
            at = (data | (MetadataCache.PageBytes - 1)) + 1;
        }
        return holes;
    }

    private void Unpack((ulong Offset, ulong Length) place, ulong table)
    {
        try
        {
            _packed.Unpack(place, table, _cluster);
        }
        catch (ImageFormatException e)
        {
            findings.Errors.Add(e.Message);
        }
    }
}
