// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>Reads the log of an image that was not closed.</summary>
/// <remarks>The log is a ring of entries. What counts is the run of good entries, each numbered one higher than the one before, whose last entry has the
/// highest number and points back (its tail) into the run: from that tail on all is played back.
/// The log is not kept, since it may have 64 MiB in each image of a chain; its holes are passed by.</remarks>
internal sealed class VhdxLogReader
{
    /// <summary>Bytes of a log that we play back at most: 64 times what everybody makes.</summary>
    private const uint MostBytes = 64 << 20;

    /// <summary>Bytes by which a log may make the file grow.</summary>
    private const long MostGrowth = 64L << 30;

    /// <summary>How many times over the bytes of the log are summed up before we call it a trap.</summary>
    private const int MostSummed = 8;

    /// <summary>Bytes that are read at once.</summary>
    private const int WindowBytes = 64 << 10;

    private const int HeaderBytes = 64;
    private const int DescriptorBytes = 32;
    private const int Sector = VhdxFormat.Page;

    private readonly CachedFile _file;
    private readonly VhdxHeader _header;
    private readonly int _length;
    private readonly byte[] _window = new byte[WindowBytes];
    private readonly Dictionary<int, Entry?> _entries = [];
    private int _windowAt = -1;
    private long _summed;

    private VhdxLogReader(CachedFile file, VhdxHeader header)
    {
        _file = file;
        _header = header;
        _length = (int)header.LogLength;
    }

    private long LogOffset => (long)_header.LogOffset;

    /// <summary>What the log says, or null where nothing must be played back.</summary>
    /// <exception cref="ImageFormatException">Something must be, and the log does not say what.</exception>
    public static VhdxReplay? Read(CachedFile file, VhdxHeader header)
    {
        if (header.LogId == Guid.Empty)
        {
            return null;
        }
        if (header.LogLength > MostBytes)
        {
            throw new ImageFormatException(file.Name, (long)header.LogOffset, $"a log of at most {MostBytes} bytes where it must be played back", $"{header.LogLength}");
        }
        // What a writer left that was killed may be called a hole until it is on the disk.
        file.Flush();
        VhdxLogReader reader = new(file, header);
        return reader.Replay(reader.ActiveRun());
    }

    /// <summary>The entries that must be played back, in order.</summary>
    private List<Entry> ActiveRun()
    {
        List<Entry> best = [];
        for (int at = NextStart(0); at < _length; at = NextStart(at))
        {
            List<Entry> run = RunFrom(at);
            if (run.Count == 0)
            {
                at += Sector;
                continue;
            }
            Entry head = run[^1];
            int tail = run.FindIndex(e => e.At == head.Tail);
            if (tail >= 0 && (best.Count == 0 || head.Sequence > best[^1].Sequence))
            {
                best = run[tail..];
            }
            at += (int)Math.Min(run.Sum(e => (long)e.Length), _length);
        }
        return best.Count > 0
            ? best
            : throw new ImageFormatException(_file.Name, LogOffset, $"log entries of {_header.LogId}, which must be played back", "no whole sequence of them");
    }

    /// <summary>The first sector from one on that may begin an entry.</summary>
    private int NextStart(int at)
    {
        at = BehindHole(at);
        while (at < _length && !SectorAt(at).StartsWith("loge"u8))
        {
            at += Sector;
            at = at % WindowBytes == 0 ? BehindHole(at) : at;
        }
        return at;
    }

    /// <summary>The first sector from one on that is not all in a hole of the file.</summary>
    private int BehindHole(int at) =>
        at < _length ? (int)Math.Min(_file.NextData(LogOffset + at) - LogOffset, _length) & -Sector : at;

    private List<Entry> RunFrom(int start)
    {
        List<Entry> run = [];
        int at = start;
        for (long bytes = 0; EntryAt(at) is { } entry && bytes + entry.Length <= _length; bytes += entry.Length)
        {
            if (run.Count > 0 && entry.Sequence != unchecked(run[^1].Sequence + 1))
            {
                break;
            }
            run.Add(entry);
            at = (int)((at + (long)entry.Length) % _length);
        }
        return run;
    }

    private Entry? EntryAt(int at)
    {
        if (!_entries.TryGetValue(at, out Entry? entry))
        {
            entry = Parse(at);
            _entries.Add(at, entry);
        }
        return entry;
    }

    private Entry? Parse(int at)
    {
        Span<byte> head = stackalloc byte[HeaderBytes];
        _file.ReadAt(head, LogOffset + at);
        uint length = ReadUInt32LittleEndian(head[8..]);
        uint tail = ReadUInt32LittleEndian(head[12..]);
        uint descriptors = ReadUInt32LittleEndian(head[24..]);
        bool mine = head.StartsWith("loge"u8) && new Guid(head.Slice(32, 16)) == _header.LogId;
        bool sane = length >= Sector && length <= _length && length % Sector == 0 && tail < _length && tail % Sector == 0
            && HeaderBytes + ((ulong)descriptors * DescriptorBytes) <= length;
        if (!mine || !sane || !SumIsRight(at, (int)length, head))
        {
            return null;
        }
        Entry entry = new(at, (int)length, (int)tail, (int)descriptors, ReadUInt64LittleEndian(head[16..]), ReadUInt64LittleEndian(head[48..]), ReadUInt64LittleEndian(head[56..]));
        return PartsAreRight(entry) ? entry : null;
    }

    private bool SumIsRight(int at, int length, ReadOnlySpan<byte> head)
    {
        _summed += length;
        if (_summed > MostSummed * (long)_length)
        {
            throw new ImageFormatException(_file.Name, LogOffset + at, "log entries beside each other", "entries over entries");
        }
        uint crc = Crc32C.Append(Crc32C.Append(Crc32C.Start, head[..4]), stackalloc byte[4]);
        int first = Math.Min(length, _length - at);
        return TryAppend(ref crc, at + 8, first - 8) && TryAppend(ref crc, 0, length - first) && Crc32C.Finish(crc) == ReadUInt32LittleEndian(head[4..]);
    }

    /// <summary>Sums up a part of an entry.</summary>
    /// <returns>False where a sector begins with zeros: each begins with a signature.</returns>
    private bool TryAppend(ref uint crc, int at, int length)
    {
        for (int end = at + length; at < end; at = (at | (Sector - 1)) + 1)
        {
            ReadOnlySpan<byte> sector = SectorAt(at);
            if (ReadUInt32LittleEndian(sector) == 0)
            {
                return false;
            }
            crc = Crc32C.Append(crc, sector[(at % Sector)..]);
        }
        return true;
    }

    /// <summary>The sector of the log in which a byte is, until another one is asked for.</summary>
    private ReadOnlySpan<byte> SectorAt(int at)
    {
        int window = at & -WindowBytes;
        if (window != _windowAt)
        {
            _windowAt = -1;
            _file.Uncached.ReadAt(_window, LogOffset + window);
            _windowAt = window;
        }
        return _window.AsSpan((at - window) & -Sector, Sector);
    }

    /// <summary>Whether all descriptors and data sectors are of this entry, and there are as many as its length says.</summary>
    private bool PartsAreRight(Entry entry)
    {
        int data = 0;
        Span<byte> descriptor = stackalloc byte[DescriptorBytes];
        for (int i = 0; i < entry.Descriptors; i++)
        {
            ReadDescriptor(entry, i, descriptor);
            bool isData = descriptor.StartsWith("desc"u8);
            if ((!isData && !descriptor.StartsWith("zero"u8)) || ReadUInt64LittleEndian(descriptor[24..]) != entry.Sequence)
            {
                return false;
            }
            if (isData && !DataIsRight(entry, data++))
            {
                return false;
            }
        }
        return entry.Length == entry.DescriptorBytes + ((long)data * Sector);
    }

    private bool DataIsRight(Entry entry, int index)
    {
        if (entry.DescriptorBytes + ((index + 1L) * Sector) > entry.Length)
        {
            return false;
        }
        Span<byte> sector = stackalloc byte[Sector];
        ReadDataSector(entry, index, sector);
        ulong sequence = ((ulong)ReadUInt32LittleEndian(sector[4..]) << 32) | ReadUInt32LittleEndian(sector[(Sector - 4)..]);
        return sector.StartsWith("data"u8) && sequence == entry.Sequence;
    }

    private VhdxReplay Replay(List<Entry> run)
    {
        Entry head = run[^1];
        if (head.Flushed > (ulong)_file.Length)
        {
            throw Wrong(head, 48, $"a file of at least {head.Flushed} bytes, which it had when this was logged", $"{_file.Length}");
        }
        if (head.Last > (ulong)_file.Length && head.Last - (ulong)_file.Length > MostGrowth)
        {
            throw Wrong(head, 56, $"a file that grows by {MostGrowth} bytes at most", $"from {_file.Length} to {head.Last}");
        }
        VhdxReplay replay = new((long)head.Last);
        Span<byte> descriptor = stackalloc byte[DescriptorBytes];
        foreach (Entry entry in run)
        {
            int data = 0;
            for (int i = 0; i < entry.Descriptors; i++)
            {
                ReadDescriptor(entry, i, descriptor);
                Play(replay, entry, descriptor, ref data);
            }
        }
        return replay;
    }

    private void Play(VhdxReplay replay, Entry entry, ReadOnlySpan<byte> descriptor, ref int data)
    {
        ulong offset = ReadUInt64LittleEndian(descriptor[16..]);
        bool isData = descriptor.StartsWith("desc"u8);
        ulong length = isData ? Sector : ReadUInt64LittleEndian(descriptor[8..]);
        RequireLoggable(replay, entry, offset, length);
        if (!(isData ? replay.TrySet(offset, Page(entry, descriptor, data++)) : replay.TryZero(offset, length)))
        {
            throw Wrong(entry, 24, "a log of metadata", $"one that zeroes {length} bytes and more");
        }
    }

    /// <summary>What a data sector makes of its page: signature and number are in the place of bytes that the descriptor has.</summary>
    private byte[] Page(Entry entry, ReadOnlySpan<byte> descriptor, int index)
    {
        byte[] page = new byte[Sector];
        ReadDataSector(entry, index, page);
        descriptor[8..16].CopyTo(page);
        descriptor[4..8].CopyTo(page.AsSpan(Sector - 4));
        return page;
    }

    /// <summary>Headers and the log itself are never logged, nor what lies behind the end of the file.</summary>
    private void RequireLoggable(VhdxReplay replay, Entry entry, ulong offset, ulong length)
    {
        ulong end = (ulong)Math.Max(_file.Length, replay.FileLength);
        bool inside = offset >= (ulong)VhdxFormat.RegionTablesAt[0] && offset <= end && length <= end - offset && offset % Sector == 0 && length % Sector == 0;
        if (!inside || (offset < _header.LogOffset + _header.LogLength && _header.LogOffset < offset + length))
        {
            throw Wrong(entry, 24, $"log entries for pages inside the file of {end} bytes, beside headers and log", $"one for {length} bytes at {offset}");
        }
    }

    private ImageFormatException Wrong(Entry entry, int field, string expected, string found) =>
        new(_file.Name, LogOffset + entry.At + field, expected, found);

    /// <summary>A descriptor; none lies across sectors, so none across the end of the ring.</summary>
    private void ReadDescriptor(Entry entry, int index, Span<byte> descriptor) =>
        _file.ReadAt(descriptor, LogOffset + ((entry.At + HeaderBytes + ((long)index * DescriptorBytes)) % _length));

    private void ReadDataSector(Entry entry, int index, Span<byte> sector) =>
        _file.ReadAt(sector, LogOffset + ((entry.At + entry.DescriptorBytes + ((long)index * Sector)) % _length));

    /// <param name="At">Byte offset in the log.</param>
    /// <param name="Length">Bytes.</param>
    /// <param name="Tail">Byte offset in the log of the first entry that was needed when this was written.</param>
    /// <param name="Descriptors">Count.</param>
    /// <param name="Sequence">Its number.</param>
    /// <param name="Flushed">Bytes that the file had for sure.</param>
    /// <param name="Last">Bytes that the file must have.</param>
    private sealed record Entry(int At, int Length, int Tail, int Descriptors, ulong Sequence, ulong Flushed, ulong Last)
    {
        /// <summary>Bytes of header and descriptors, in whole sectors.</summary>
        public long DescriptorBytes => VhdxFormat.AlignUp(HeaderBytes + ((long)Descriptors * VhdxLogReader.DescriptorBytes), Sector);
    }
}
