// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Codecs;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow;

/// <summary>
/// Writes a compressed image: room for header and first-level table, clusters in the order of the disk, behind the clusters of each second-level
/// table the table, and last what the room was for.
/// </summary>
/// <remarks>As QEMU has it, a compressed cluster begins a sector, and one that does not compress, or a table, lies at a multiple of a cluster.</remarks>
internal sealed class QcowStream : IStreamedImage
{
    private const int Sector = 512;

    private readonly IImageFile _file;
    private readonly QcowHeader _header;
    private readonly QcowCodec _codec;
    private readonly byte[] _start;
    private readonly byte[] _table;
    private byte[] _buffer = [];
    private long _next;
    private ulong _tableNumber;
    private ulong _firstFree;

    /// <summary>Begins; writes nothing.</summary>
    /// <param name="file">An empty file that grows.</param>
    /// <param name="header">Of an image that is backed by nothing.</param>
    public QcowStream(IImageFile file, QcowHeader header)
    {
        (_file, _header, _codec) = (file, header, new QcowCodec(header));
        _start = new byte[AlignUp((long)(header.DirectoryAt + header.DirectoryBytes), Sector)];
        _table = new byte[AlignUp((long)header.TableBytes, Sector)];
        _next = _start.Length;
    }

    /// <inheritdoc/>
    public int PackBytes => (int)_header.ClusterBytes;

    /// <inheritdoc/>
    public int MostPackedBytes => PackBytes;

    /// <summary>Packs one cluster. What does not become smaller, whose length an entry could not say, stays as it is.</summary>
    public int Pack(ReadOnlySpan<byte> data, Span<byte> packed)
    {
        int length = Deflate.Instance.Pack(data, packed[..(PackBytes - 1)]);
        if (length > 0)
        {
            return length;
        }
        data.CopyTo(packed);
        return PackBytes;
    }

    /// <inheritdoc/>
    public void Append(ulong offset, ReadOnlySpan<byte> packed)
    {
        ulong cluster = offset >> _header.ClusterBits;
        ArgumentOutOfRangeException.ThrowIfLessThan(cluster, _firstFree, nameof(offset));
        ulong table = cluster >> _header.TableBits;
        if (table != _tableNumber)
        {
            EndTable();
            _tableNumber = table;
        }
        _firstFree = cluster + 1;
        bool whole = packed.Length == PackBytes;
        long at = Write(packed, whole ? PackBytes : Sector);
        int slot = (int)(cluster & ((1UL << _header.TableBits) - 1));
        _codec.Store(_table.AsSpan(slot * _codec.EntryBytes), whole ? _codec.Encode(at) : _codec.EncodePacked(at, packed.Length));
    }

    /// <inheritdoc/>
    public void Complete()
    {
        EndTable();
        _header.Write(_start, QcowDriver.Now());
        _file.WriteAt(_start, 0);
    }

    /// <summary>A table follows its clusters, and there is none where there are no clusters.</summary>
    private void EndTable()
    {
        if (_table.AsSpan().ContainsAnyExcept((byte)0))
        {
            ulong entry = _codec.DirectoryEntry(Write(_table, PackBytes));
            _codec.Store(_start.AsSpan((int)_header.DirectoryAt + ((int)_tableNumber * _codec.EntryBytes)), entry);
            _table.AsSpan().Clear();
        }
    }

    /// <summary>Writes at the next multiple of some bytes, in whole sectors.</summary>
    /// <returns>The byte offset.</returns>
    private long Write(ReadOnlySpan<byte> data, int unit)
    {
        int length = (int)AlignUp(data.Length, Sector);
        long at = AlignUp(_next, unit);
        if (at + length > _codec.PackedLimit)
        {
            throw NoRoom.Beyond(_file.Name, $"a compressed qcow in clusters of {PackBytes} bytes is smaller than {_codec.PackedLimit} bytes");
        }
        _buffer = _buffer.Length < length ? new byte[length] : _buffer;
        Span<byte> sectors = _buffer.AsSpan(0, length);
        data.CopyTo(sectors);
        sectors[data.Length..].Clear();
        _file.WriteAt(sectors, at);
        _next = at + length;
        return at;
    }

    private static long AlignUp(long bytes, int unit) => (bytes + unit - 1) / unit * unit;
}
