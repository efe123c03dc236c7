// SPDX-License-Identifier: MIT
using System.Numerics;
using Cow.Formats.Images.Codecs;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>Reads compressed clusters, and appends new ones.</summary>
/// <remarks>Compressed clusters lie one behind the other, over the borders of host clusters: each of these has a reference for every compressed
/// cluster that touches it. Order: bytes and counts, flush, then the L2 entries; see <see cref="MapWriter"/>.</remarks>
/// <param name="store">The image.</param>
/// <param name="unpacked">Keeps the cluster that was unpacked last, by its entry.</param>
internal sealed class PackedClusters(Qcow2Store store, UnpackedChunk unpacked)
{
    /// <summary>Host clusters taken at once.</summary>
    private const ulong RoomClusters = 16;

    /// <summary>Bytes of a compressed cluster that are read at once.</summary>
    private const int PieceBytes = 64 << 10;

    /// <summary>No longer hole is in the middle of a compressed cluster: data that is stored, not packed, has another header before that in deflate (RFC 1951,
    /// section 3.2.4) as in Zstandard (RFC 8878, section 3.1.1.2).</summary>
    public const int MostStored = 128 << 10;

    private readonly Qcow2Layout _layout = store.Layout;

    // The sector that is not full.
    private readonly byte[] _sector = new byte[MetadataFile.SectorBytes];

    // Where the next compressed byte goes, the end of the host clusters that may be filled up, and the references to the one that is not full.
    private ulong _next;
    private ulong _end;
    private ulong _tailReferences;

    // References by what was appended and is not committed, and the clusters of them that Raise gives their first one.
    private readonly SortedDictionary<ulong, ulong> _references = [];
    private readonly HashSet<ulong> _fresh = [];
    private byte[] _buffer = [];

    /// <summary>Packs and unpacks.</summary>
    public IClusterCodec Codec { get; } = store.Header.Compression == CompressionType.Zstd ? Zstd.Instance : Deflate.Instance;

    /// <summary>Unpacks a part of a cluster.</summary>
    /// <param name="entry">Its entry, judged already.</param>
    /// <param name="entryAt">Byte offset of the entry, for messages.</param>
    /// <param name="within">Byte offset in the cluster.</param>
    /// <param name="data">Bytes to fill.</param>
    /// <exception cref="ImageFormatException">It cannot be unpacked.</exception>
    public void Read(L2Entry entry, ulong entryAt, ulong within, Span<byte> data)
    {
        bool known = unpacked.Is(this, entry.Raw);
        if (!known && (ulong)data.Length == _layout.ClusterBytes)
        {
            Unpack(entry.Packed(_layout), entryAt, data);
            return;
        }
        if (!known)
        {
            Unpack(entry.Packed(_layout), entryAt, unpacked.Room((int)_layout.ClusterBytes));
            unpacked.Keep(this, entry.Raw);
        }
        unpacked.From(within)[..data.Length].CopyTo(data);
    }

    /// <summary>Unpacks a cluster.</summary>
    /// <param name="place">Where its bytes begin, and how many there are at most.</param>
    /// <param name="entryAt">Byte offset of the entry, for messages.</param>
    /// <param name="data">Receives the cluster.</param>
    /// <exception cref="ImageFormatException">It cannot be unpacked.</exception>
    public void Unpack((ulong Offset, ulong Length) place, ulong entryAt, Span<byte> data)
    {
        ReadOnlySpan<byte> packed = ReadBytes((long)place.Offset, (int)Math.Min(place.Length, store.File.Length - place.Offset));
        if (!Codec.TryUnpack(packed, data))
        {
            throw new ImageFormatException(store.File.Name, (long)place.Offset, $"{_layout.ClusterBytes} bytes compressed, as the table at {entryAt} says", $"{packed.Length} bytes that cannot be inflated to them");
        }
    }

    /// <summary>What the file holds may be something else now.</summary>
    public void Forget() => unpacked.Forget(this);

    /// <summary>Appends compressed bytes. They count after <see cref="CountUp"/>.</summary>
    /// <returns>The entry that names them.</returns>
    /// <exception cref="IOException">No room.</exception>
    public L2Entry Append(ReadOnlySpan<byte> packed)
    {
        ulong length = (ulong)packed.Length;
        if (_tailReferences >= _layout.MaxRefcount)
        {
            _next = (_next + _layout.ClusterBytes - 1) & ~(_layout.ClusterBytes - 1);
            _tailReferences = 0;
        }
        while (_end - _next < length)
        {
            TakeRoom();
        }
        WriteBytes(packed);
        L2Entry entry = L2Entry.Compressed(_layout, _next, packed.Length);
        ulong first = _next >> _layout.ClusterBits;
        ulong last = (_next + length - 1) >> _layout.ClusterBits;
        for (ulong cluster = first; cluster <= last; cluster++)
        {
            _references[cluster] = _references.GetValueOrDefault(cluster) + 1;
        }
        _next += length;
        bool full = _next % _layout.ClusterBytes == 0;
        _tailReferences = full ? 0 : first == last ? _tailReferences + 1 : 1;
        return entry;
    }

    /// <summary>Counts the references by what was appended; after <see cref="ClusterAllocator.Raise"/>, which counted each cluster once.</summary>
    public void CountUp()
    {
        foreach ((ulong cluster, ulong references) in _references)
        {
            ulong more = references - (_fresh.Remove(cluster) ? 1UL : 0);
            if (more > 0)
            {
                store.Refcounts.Set(cluster, 1, store.Refcounts.Get(cluster) + more);
            }
        }
        _references.Clear();
    }

    /// <summary>Host clusters that were taken and hold nothing. What comes next is appended elsewhere.</summary>
    public IEnumerable<ulong> Unused()
    {
        ulong first = (_next + _layout.ClusterBytes - 1) >> _layout.ClusterBits;
        for (ulong cluster = first; cluster < _end >> _layout.ClusterBits; cluster++)
        {
            yield return cluster;
        }
    }

    /// <summary>The unused clusters went back.</summary>
    public void Restart() => (_next, _end, _tailReferences) = (0, 0, 0);

    /// <summary>Reads a compressed cluster, but not into a hole that it cannot go on behind: an entry may claim megabytes.</summary>
    private ReadOnlySpan<byte> ReadBytes(long offset, int most)
    {
        byte[] packed = unpacked.PackedRoom((int)BitOperations.RoundUpToPowerOf2((uint)most));
        int read = 0;
        for (bool ends = false; read < most && !ends;)
        {
            ends = most - read > MostStored && store.File.Data.NextData(offset + read) - offset - read > MostStored;
            // The last of what is stored may be the beginning of the hole.
            Span<byte> piece = packed.AsSpan(read, Math.Min(ends ? MostStored : PieceBytes, most - read));
            store.File.Data.ReadAt(piece, offset + read);
            read += piece.Length;
        }
        return packed.AsSpan(0, read);
    }

    private void TakeRoom()
    {
        ulong first = store.Allocator.Take(RoomClusters, out ulong count);
        if (count == 0)
        {
            throw NoRoom.For(store.File.Name, "compressed data");
        }
        ulong start = first << _layout.ClusterBits;
        if (start != _end)
        {
            foreach (ulong cluster in Unused())
            {
                _fresh.Remove(cluster);
                store.Allocator.GiveBack(cluster);
            }
            (_next, _tailReferences) = (start, 0);
        }
        _end = start + (count << _layout.ClusterBits);
        for (ulong i = 0; i < count; i++)
        {
            _fresh.Add(first + i);
        }
    }

    /// <summary>Writes whole sectors: the last one again with what follows in it.</summary>
    private void WriteBytes(ReadOnlySpan<byte> packed)
    {
        int head = (int)(_next % MetadataFile.SectorBytes);
        int length = head + packed.Length;
        int whole = (length + MetadataFile.SectorBytes - 1) & -MetadataFile.SectorBytes;
        if (_buffer.Length < whole)
        {
            _buffer = new byte[whole];
        }
        _sector.AsSpan(0, head).CopyTo(_buffer);
        packed.CopyTo(_buffer.AsSpan(head));
        _buffer.AsSpan(length, whole - length).Clear();
        store.File.Data.WriteAt(_buffer.AsSpan(0, whole), (long)_next - head);
        _buffer.AsSpan(whole - MetadataFile.SectorBytes, MetadataFile.SectorBytes).CopyTo(_sector);
    }
}
