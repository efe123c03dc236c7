// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>Changes pages of metadata through the log: all pages of a change become new, or none.</summary>
/// <remarks>
/// <para>Order of a change: entry into the log; flush; where it is the first one, its id into the headers (so the log that a header names always has
/// a whole entry); then the pages in place. The pages are durable with the next flush, whoever asks for it.</para>
/// <para>The flush behind an entry makes the pages of the one before durable. So of the ring two entries are needed at most: the one that is written,
/// and the one before it, at which the tail points.</para>
/// </remarks>
internal sealed class VhdxLogWriter
{
    /// <summary>Pages of a change at most: one sector of descriptors, and a log of a megabyte holds two entries.</summary>
    public const int MostPages = 100;

    private const int Sector = VhdxFormat.Page;
    private const int HeaderBytes = 64;
    private const int DescriptorBytes = 32;

    private readonly CachedFile _file;
    private readonly VhdxHeaders _headers;
    private Guid _id;
    private ulong _sequence;
    private long _next;
    private long _tail;
    private long _durableLength;

    public VhdxLogWriter(CachedFile file, VhdxHeaders headers)
    {
        _file = file;
        _headers = headers;
        _durableLength = file.Length;
    }

    private long Ring => _headers.Current.LogLength;

    /// <summary>Changes pages.</summary>
    /// <param name="pages">The new content by byte offset; at least one, <see cref="MostPages"/> at most.</param>
    public void Write(SortedDictionary<long, byte[]> pages)
    {
        bool first = _id == Guid.Empty;
        if (first)
        {
            _id = Guid.NewGuid();
            _sequence = 0;
        }
        long at = _next;
        WriteRing(Entry(pages), at);
        Flush();
        _tail = at;
        if (first)
        {
            _headers.Update(_headers.Current.FileWriteId, _headers.Current.DataWriteId, _id);
        }
        foreach ((long offset, byte[] page) in pages)
        {
            _file.WriteAt(page, offset);
        }
    }

    /// <summary>Makes all before it durable.</summary>
    public void Flush()
    {
        long length = _file.Length;
        _file.Flush();
        _durableLength = length;
        _tail = _next;
    }

    /// <summary>Makes all before it durable, and says in the headers that nothing must be played back.</summary>
    public void Close()
    {
        Flush();
        if (_id != Guid.Empty)
        {
            _headers.Update(_headers.Current.FileWriteId, _headers.Current.DataWriteId, Guid.Empty);
            _id = Guid.Empty;
        }
    }

    private byte[] Entry(SortedDictionary<long, byte[]> pages)
    {
        byte[] entry = new byte[Sector * (1 + pages.Count)];
        ulong sequence = ++_sequence;
        "loge"u8.CopyTo(entry);
        WriteUInt32LittleEndian(entry.AsSpan(8), (uint)entry.Length);
        WriteUInt32LittleEndian(entry.AsSpan(12), (uint)_tail);
        WriteUInt64LittleEndian(entry.AsSpan(16), sequence);
        WriteUInt32LittleEndian(entry.AsSpan(24), (uint)pages.Count);
        _id.TryWriteBytes(entry.AsSpan(32));
        WriteUInt64LittleEndian(entry.AsSpan(48), (ulong)(_durableLength & -VhdxFormat.Megabyte));
        WriteUInt64LittleEndian(entry.AsSpan(56), (ulong)(_file.CanGrow ? VhdxFormat.AlignUp(_file.Length, VhdxFormat.Megabyte) : _file.Length & -VhdxFormat.Megabyte));
        int index = 0;
        foreach ((long offset, byte[] page) in pages)
        {
            WriteDescriptor(entry.AsSpan(HeaderBytes + (index * DescriptorBytes)), page, offset, sequence);
            WriteData(entry.AsSpan(Sector * (1 + index), Sector), page, sequence);
            index++;
        }
        WriteUInt32LittleEndian(entry.AsSpan(4), Crc32C.OfStructure(entry));
        return entry;
    }

    /// <summary>A descriptor keeps the first 8 and the last 4 bytes of a page, where the data sector has its marks.</summary>
    private static void WriteDescriptor(Span<byte> descriptor, byte[] page, long offset, ulong sequence)
    {
        "desc"u8.CopyTo(descriptor);
        page.AsSpan(Sector - 4).CopyTo(descriptor[4..]);
        page.AsSpan(0, 8).CopyTo(descriptor[8..]);
        WriteUInt64LittleEndian(descriptor[16..], (ulong)offset);
        WriteUInt64LittleEndian(descriptor[24..], sequence);
    }

    private static void WriteData(Span<byte> sector, byte[] page, ulong sequence)
    {
        page.CopyTo(sector);
        "data"u8.CopyTo(sector);
        WriteUInt32LittleEndian(sector[4..], (uint)(sequence >> 32));
        WriteUInt32LittleEndian(sector[(Sector - 4)..], (uint)(sequence & uint.MaxValue));
    }

    private void WriteRing(byte[] entry, long at)
    {
        int first = (int)Math.Min(entry.Length, Ring - at);
        long start = (long)_headers.Current.LogOffset;
        _file.WriteAt(entry.AsSpan(0, first), start + at);
        if (first < entry.Length)
        {
            _file.WriteAt(entry.AsSpan(first), start);
        }
        _next = (at + entry.Length) % Ring;
    }
}
