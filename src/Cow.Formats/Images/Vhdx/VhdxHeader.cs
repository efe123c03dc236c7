// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>One of the two headers, 4096 bytes, little-endian.</summary>
internal sealed class VhdxHeader
{
    private readonly byte[] _bytes;

    private VhdxHeader(byte[] bytes) => _bytes = bytes;

    /// <summary>The header as it is on disk.</summary>
    public ReadOnlySpan<byte> Raw => _bytes;

    /// <summary>Of two good headers the one with the higher number counts.</summary>
    public ulong Sequence => ReadUInt64LittleEndian(_bytes.AsSpan(8));

    /// <summary>Changes with every opening for writing.</summary>
    public Guid FileWriteId => new(_bytes.AsSpan(16, 16));

    /// <summary>Changes when the disk's content may change: what a child names its parent by.</summary>
    public Guid DataWriteId => new(_bytes.AsSpan(32, 16));

    /// <summary>What the entries of the log bear that must be played back; zero where none must.</summary>
    public Guid LogId => new(_bytes.AsSpan(48, 16));

    public ushort LogVersion => ReadUInt16LittleEndian(_bytes.AsSpan(64));

    public ushort Version => ReadUInt16LittleEndian(_bytes.AsSpan(66));

    /// <summary>Bytes of the log.</summary>
    public uint LogLength => ReadUInt32LittleEndian(_bytes.AsSpan(68));

    /// <summary>Byte offset of the log.</summary>
    public ulong LogOffset => ReadUInt64LittleEndian(_bytes.AsSpan(72));

    /// <summary>The header, where signature and checksum are right; else null.</summary>
    public static VhdxHeader? TryParse(byte[] bytes)
    {
        bool good = bytes.AsSpan().StartsWith("head"u8) && ReadUInt32LittleEndian(bytes.AsSpan(4)) == Crc32C.OfStructure(bytes);
        return good ? new VhdxHeader(bytes) : null;
    }

    /// <summary>Makes the header of a new image.</summary>
    public static VhdxHeader Make(Guid fileWriteId, Guid dataWriteId, uint logLength, long logOffset)
    {
        byte[] bytes = new byte[VhdxFormat.Page];
        "head"u8.CopyTo(bytes);
        WriteUInt16LittleEndian(bytes.AsSpan(66), 1);
        WriteUInt32LittleEndian(bytes.AsSpan(68), logLength);
        WriteUInt64LittleEndian(bytes.AsSpan(72), (ulong)logOffset);
        return new VhdxHeader(bytes).With(fileWriteId, dataWriteId, Guid.Empty);
    }

    /// <summary>The next header, with other ids.</summary>
    public VhdxHeader With(Guid fileWriteId, Guid dataWriteId, Guid logId)
    {
        byte[] bytes = [.. _bytes];
        WriteUInt64LittleEndian(bytes.AsSpan(8), unchecked(Sequence + 1));
        fileWriteId.TryWriteBytes(bytes.AsSpan(16));
        dataWriteId.TryWriteBytes(bytes.AsSpan(32));
        logId.TryWriteBytes(bytes.AsSpan(48));
        WriteUInt32LittleEndian(bytes.AsSpan(4), Crc32C.OfStructure(bytes));
        return new VhdxHeader(bytes);
    }
}
