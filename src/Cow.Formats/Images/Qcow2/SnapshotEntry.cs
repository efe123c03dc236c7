// SPDX-License-Identifier: MIT
using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>An entry of the snapshot table: big-endian, of variable length, padded to 8 bytes (qcow2.txt, "Snapshots").</summary>
internal sealed record SnapshotEntry
{
    /// <summary>Bytes of the fixed part.</summary>
    public const int HeadBytes = 40;

    /// <summary>QEMU takes no more extra data.</summary>
    public const int MaxExtraBytes = 1024;

    /// <summary>What there is where the file has a hole.</summary>
    private static readonly SnapshotEntry Zero = new() { IdBytes = [], NameBytes = [] };

    /// <summary>The extra data that version 3 demands: 64 bits of VM state size, and the size of the disk.</summary>
    private const int ExtraBytes = 16;

    private const int L1EntriesAt = 8;
    private const int IdLengthAt = 12;
    private const int NameLengthAt = 14;
    private const int SecondsAt = 16;
    private const int NanosecondsAt = 20;
    private const int VmClockAt = 24;
    private const int VmStateBytesAt = 32;
    private const int ExtraLengthAt = 36;
    private const int DiskBytesAt = 8;

    public ulong L1Offset { get; init; }

    public uint L1Entries { get; init; }

    /// <summary>As on the disk, in whatever encoding: so it is written again.</summary>
    public required byte[] IdBytes { get; init; }

    /// <summary>As <see cref="IdBytes"/>.</summary>
    public required byte[] NameBytes { get; init; }

    public string Id => Encoding.UTF8.GetString(IdBytes);

    public string Name => Encoding.UTF8.GetString(NameBytes);

    public uint Seconds { get; init; }

    public uint Nanoseconds { get; init; }

    public ulong VmClock { get; init; }

    public uint VmStateBytes { get; init; }

    /// <summary>As it is on the disk: what follows the fields that we know is kept.</summary>
    public byte[] Extra { get; init; } = [];

    /// <summary>Bytes of its disk; 0 where it does not say and the image's own count.</summary>
    public ulong DiskBytes => Extra.Length >= ExtraBytes ? ReadUInt64BigEndian(Extra.AsSpan(DiskBytesAt)) : 0;

    /// <summary>Bytes in the table.</summary>
    public int Length => (HeadBytes + Extra.Length + IdBytes.Length + NameBytes.Length + 7) & ~7;

    /// <summary>Extra data of a snapshot without VM state.</summary>
    public static byte[] ExtraOf(ulong diskBytes)
    {
        byte[] extra = new byte[ExtraBytes];
        WriteUInt64BigEndian(extra.AsSpan(DiskBytesAt), diskBytes);
        return extra;
    }

    /// <summary>Decodes.</summary>
    /// <exception cref="ImageFormatException">It runs over the end of the file, or is longer than any.</exception>
    public static SnapshotEntry Read(MetadataFile file, ulong at)
    {
        if (file.NextData(at) >= at + HeadBytes)
        {
            // Nothing is read of 64 Ki such entries in each image of a chain.
            return Zero;
        }
        Span<byte> head = stackalloc byte[HeadBytes];
        file.Read(head, at);
        int idLength = ReadUInt16BigEndian(head[IdLengthAt..]);
        int nameLength = ReadUInt16BigEndian(head[NameLengthAt..]);
        uint extraLength = ReadUInt32BigEndian(head[ExtraLengthAt..]);
        ulong end = at + HeadBytes + extraLength + (uint)idLength + (uint)nameLength;
        if (extraLength > MaxExtraBytes || !file.Reaches(end - 1))
        {
            throw new ImageFormatException(file.Name, (long)at, $"a snapshot inside the file, with {MaxExtraBytes} bytes of extra data at most", $"extra {extraLength}, id {idLength}, name {nameLength}");
        }
        byte[] extra = extraLength == 0 ? [] : new byte[extraLength];
        file.Read(extra, at + HeadBytes);
        return new SnapshotEntry
        {
            L1Offset = ReadUInt64BigEndian(head),
            L1Entries = ReadUInt32BigEndian(head[L1EntriesAt..]),
            IdBytes = file.ReadName(at + HeadBytes + extraLength, idLength),
            NameBytes = file.ReadName(at + HeadBytes + extraLength + (uint)idLength, nameLength),
            Seconds = ReadUInt32BigEndian(head[SecondsAt..]),
            Nanoseconds = ReadUInt32BigEndian(head[NanosecondsAt..]),
            VmClock = ReadUInt64BigEndian(head[VmClockAt..]),
            VmStateBytes = ReadUInt32BigEndian(head[VmStateBytesAt..]),
            Extra = extra,
        };
    }

    /// <summary>Encodes into cleared bytes.</summary>
    public void Write(Span<byte> bytes)
    {
        WriteUInt64BigEndian(bytes, L1Offset);
        WriteUInt32BigEndian(bytes[L1EntriesAt..], L1Entries);
        WriteUInt32BigEndian(bytes[SecondsAt..], Seconds);
        WriteUInt32BigEndian(bytes[NanosecondsAt..], Nanoseconds);
        WriteUInt64BigEndian(bytes[VmClockAt..], VmClock);
        WriteUInt32BigEndian(bytes[VmStateBytesAt..], VmStateBytes);
        WriteUInt32BigEndian(bytes[ExtraLengthAt..], (uint)Extra.Length);
        Extra.CopyTo(bytes[HeadBytes..]);
        IdBytes.CopyTo(bytes[(HeadBytes + Extra.Length)..]);
        NameBytes.CopyTo(bytes[(HeadBytes + Extra.Length + IdBytes.Length)..]);
        WriteUInt16BigEndian(bytes[IdLengthAt..], (ushort)IdBytes.Length);
        WriteUInt16BigEndian(bytes[NameLengthAt..], (ushort)NameBytes.Length);
    }

    /// <summary>Judges where its L1 table is, and whether that suffices.</summary>
    /// <param name="file">The image.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="diskBytes">Bytes of the image's own disk, which count where the snapshot says nothing.</param>
    /// <exception cref="ImageFormatException">It cannot be used.</exception>
    public void Validate(MetadataFile file, Qcow2Layout layout, ulong diskBytes)
    {
        ulong bytes = L1Entries * 8UL;
        ulong size = DiskBytes == 0 ? diskBytes : DiskBytes;
        bool possible = bytes <= Qcow2Header.MaxL1Bytes && L1Offset % layout.ClusterBytes == 0 && L1Offset <= Qcow2Layout.OffsetMask
            && (bytes == 0 || (L1Offset > 0 && L1Offset + bytes <= file.Length))
            && size < 1UL << 61 && size <= (ulong)L1Entries << layout.L1Shift;
        if (!possible)
        {
            throw new ImageFormatException(file.Name, (long)Math.Min(L1Offset, long.MaxValue), $"an L1 table of snapshot {Id} inside the file, for {size} bytes", $"{L1Entries} entries at {L1Offset}");
        }
    }
}
