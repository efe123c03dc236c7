// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Codecs;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vmdk;

/// <summary>
/// Writes a streamOptimized extent: header, descriptor, grains in the order of the disk, behind the grains of each table the table, then the
/// directory, the footer (the header again, with the place of the directory) and the end of the stream.
/// </summary>
internal sealed class VmdkStream : IStreamedImage
{
    private const uint Version = 3;
    private const int Sector = 512;

    private readonly IImageFile _file;
    private readonly HostedHeader _header;
    private readonly byte[] _table = new byte[HostedHeader.MostTableEntries * sizeof(uint)];
    private readonly byte[] _directory;
    private byte[] _buffer = [];
    private ulong _next;
    private ulong _tableNumber;
    private ulong _firstFree;

    /// <summary>Writes header and descriptor.</summary>
    /// <param name="file">An empty file that grows.</param>
    /// <param name="sectors">Sectors of the disk.</param>
    /// <param name="descriptor">The embedded descriptor.</param>
    public VmdkStream(IImageFile file, ulong sectors, byte[] descriptor)
    {
        _file = file;
        _header = new HostedHeader(
            Version,
            HostedFlags.NewLines | HostedFlags.Packed | HostedFlags.Markers,
            sectors,
            HostedCreation.GrainSectors,
            1,
            HostedCreation.DescriptorSectors,
            HostedHeader.MostTableEntries,
            0,
            HostedHeader.AtEnd,
            HostedCreation.GrainSectors,
            0,
            1);
        _directory = new byte[(((int)_header.Tables * sizeof(uint)) + Sector - 1) / Sector * Sector];
        byte[] first = new byte[_header.Overhead * Sector];
        _header.Write(first);
        descriptor.CopyTo(first, Sector);
        WriteSectors(first);
    }

    /// <inheritdoc/>
    public int PackBytes => (int)HostedCreation.GrainSectors * Sector;

    /// <inheritdoc/>
    public int MostPackedBytes => Zlib.MostPackedBytes(PackBytes);

    /// <inheritdoc/>
    public int Pack(ReadOnlySpan<byte> data, Span<byte> packed) => Zlib.Pack(data, packed);

    /// <inheritdoc/>
    public void Append(ulong offset, ReadOnlySpan<byte> packed)
    {
        ulong grain = offset / (ulong)PackBytes;
        (ulong table, ulong entry) = Math.DivRem(grain, HostedHeader.MostTableEntries);
        ArgumentOutOfRangeException.ThrowIfLessThan(grain, _firstFree, nameof(offset));
        if (table != _tableNumber)
        {
            EndTable();
            _tableNumber = table;
        }
        _firstFree = grain + 1;
        WriteUInt32LittleEndian(_table.AsSpan((int)entry * sizeof(uint)), Here());
        Span<byte> whole = Buffer(PackedGrain.MarkerBytes + packed.Length);
        WriteUInt64LittleEndian(whole, grain * HostedCreation.GrainSectors);
        WriteUInt32LittleEndian(whole[sizeof(ulong)..], (uint)packed.Length);
        packed.CopyTo(whole[PackedGrain.MarkerBytes..]);
        WriteSectors(whole);
    }

    /// <inheritdoc/>
    public void Complete()
    {
        EndTable();
        uint directory = WriteMarked(StreamMarkerType.Directory, _directory);
        byte[] footer = new byte[HostedHeader.Bytes];
        (_header with { DirectoryAt = directory }).Write(footer);
        WriteMarked(StreamMarkerType.Footer, footer);
        WriteMarked(StreamMarkerType.End, []);
    }

    /// <summary>A table follows its grains, and there is none where there are no grains.</summary>
    private void EndTable()
    {
        if (_table.AsSpan().ContainsAnyExcept((byte)0))
        {
            WriteUInt32LittleEndian(_directory.AsSpan((int)_tableNumber * sizeof(uint)), WriteMarked(StreamMarkerType.Table, _table));
            _table.AsSpan().Clear();
        }
    }

    /// <returns>The sector of the content.</returns>
    private uint WriteMarked(StreamMarkerType type, byte[] content)
    {
        Span<byte> whole = Buffer(Sector + content.Length);
        new StreamMarker((ulong)content.Length / Sector, type).Write(whole[..Sector]);
        content.CopyTo(whole[Sector..]);
        uint at = Here() + 1;
        WriteSectors(whole);
        return at;
    }

    /// <summary>The sector that is written next.</summary>
    private uint Here() => _next < uint.MaxValue ? (uint)_next : throw NoRoom.Beyond(_file.Name, "a streamOptimized VMDK is smaller than 2 TiB");

    private void WriteSectors(Span<byte> sectors)
    {
        _file.WriteAt(sectors, (long)_next * Sector);
        _next += (ulong)sectors.Length / Sector;
    }

    /// <summary>Room for some bytes, in whole sectors with zeros behind them.</summary>
    private Span<byte> Buffer(int bytes)
    {
        int whole = (bytes + Sector - 1) / Sector * Sector;
        _buffer = _buffer.Length < whole ? new byte[whole] : _buffer;
        _buffer.AsSpan(bytes, whole - bytes).Clear();
        return _buffer.AsSpan(0, whole);
    }
}
