// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.DmSnapshot;

/// <summary>
/// The list of exceptions on disk: read once from the front, then only appended to.
/// </summary>
/// <remarks>
/// <para>Power may fail in the middle of a write and leave any of its sectors old or new. A reader stops at the first entry that is zero, so what it
/// sees is always a beginning of what was appended. Entries behind that point would come to life when the gap before them is filled: whoever opens
/// for writing clears them first (<see cref="ClearTail"/>), and an area is cleared before the last slot of the one before it is written.</para>
/// <para>The log holds one window of the current area in memory, whatever the chunk size.</para>
/// </remarks>
internal sealed class ExceptionLog
{
    private const int SectorBytes = 512;
    private const int MaxWindowBytes = 16 * 1024;

    private static readonly byte[] Zeros = new byte[MaxWindowBytes];

    private readonly IImageFile _file;
    private readonly DmSnapshotGeometry _geometry;
    private readonly byte[] _window;

    // The first entry of the window; the bytes of it that have entries, and that are on disk.
    private ulong _first;
    private int _used;
    private int _written;

    public ExceptionLog(IImageFile file, DmSnapshotGeometry geometry)
    {
        _file = file;
        _geometry = geometry;
        _window = new byte[Math.Min(geometry.ChunkBytes, MaxWindowBytes)];
    }

    /// <summary>Entries in the list, those appended but not written out included.</summary>
    public ulong Count => _first + ((ulong)_used / DiskException.Size);

    /// <summary>First entry of the next area.</summary>
    public ulong AreaEnd { get; private set; }

    /// <summary>Bytes of the area that is appended to.</summary>
    public ByteRange Area => new((long)_geometry.AreaChunk(Count / _geometry.EntriesPerArea) * _geometry.ChunkBytes, _geometry.ChunkBytes);

    private ulong EntriesPerWindow => (ulong)_window.Length / DiskException.Size;

    /// <summary>Reads the list up to its end.</summary>
    /// <param name="take">Called for each entry with its byte offset.</param>
    /// <exception cref="ImageFormatException">The store ends before the list does.</exception>
    public void Load(Action<DiskException, long> take)
    {
        do
        {
            if (_geometry.AreaChunk(Count / _geometry.EntriesPerArea) >= _geometry.Chunks(_file.Length))
            {
                throw new ImageFormatException(_file.Name, _geometry.EntryOffset(Count), "a further metadata area, as the last one is full", "the end of the store");
            }
            _file.ReadAt(_window, _geometry.EntryOffset(_first));
        }
        while (LoadWindow(take));
        _written = _used;
        AreaEnd = EndOf(Count / _geometry.EntriesPerArea);
    }

    /// <summary>Whether the rest of the current area, behind the end of the list, is zero.</summary>
    public bool TailIsClear() => WalkTail(clear: false);

    /// <summary>Zeros the rest of the current area and flushes, where it is not zero already.</summary>
    public void ClearTail()
    {
        if (!WalkTail(clear: true))
        {
            _file.Flush();
        }
    }

    /// <summary>Zeros a chunk of the store; durable after the next flush.</summary>
    public void ZeroChunk(ulong chunk)
    {
        long start = (long)chunk * _geometry.ChunkBytes;
        for (long offset = start; offset < start + _geometry.ChunkBytes; offset += _window.Length)
        {
            _file.WriteAt(Zeros.AsSpan(0, _window.Length), offset);
        }
    }

    /// <summary>Appends an entry for each chunk; on disk only after <see cref="WriteOut"/>, or earlier.</summary>
    /// <returns>How many entries these are.</returns>
    public ulong Append(ReadOnlySpan<PlacedRun> runs)
    {
        ulong before = Count;
        Span<byte> room = _window.AsSpan(_used);
        foreach (ref readonly PlacedRun run in runs)
        {
            ulong place = _geometry.ChunkOf(run.Place.Sector);
            ulong end = run.Run.End;
            for (ulong chunk = run.Run.Chunk; chunk < end; chunk++, place++)
            {
                new DiskException(chunk, place).Write(room);
                room = room[DiskException.Size..];
                if (room.IsEmpty)
                {
                    room = NextWindow();
                }
            }
        }
        _used = _window.Length - room.Length;
        return Count - before;
    }

    /// <summary>Writes the sectors of the window that have new entries.</summary>
    public void WriteOut()
    {
        if (_written == _used)
        {
            return;
        }
        int from = _written & -SectorBytes;
        int to = (_used + SectorBytes - 1) & -SectorBytes;
        _file.WriteAt(_window.AsSpan(from, to - from), _geometry.EntryOffset(_first) + from);
        _written = _used;
    }

    /// <summary>Writes out the window, which is full. Where that fills the area, too, readers will look into the next one.</summary>
    private Span<byte> NextWindow()
    {
        _used = _window.Length;
        if (Count == AreaEnd)
        {
            MakeArea(Count / _geometry.EntriesPerArea);
        }
        WriteOut();
        _window.AsSpan().Clear();
        _first += EntriesPerWindow;
        _used = 0;
        _written = 0;
        return _window;
    }

    private bool WalkTail(bool clear)
    {
        long windowAt = _geometry.EntryOffset(_first);
        bool wasClear = !_window.AsSpan(_used).ContainsAnyExcept((byte)0);
        if (!wasClear && clear)
        {
            _window.AsSpan(_used).Clear();
            int from = _used & -SectorBytes;
            _file.WriteAt(_window.AsSpan(from), windowAt + from);
        }

        byte[] buffer = new byte[_window.Length];
        long areaEnd = _geometry.EntryOffset(Count / _geometry.EntriesPerArea * _geometry.EntriesPerArea) + _geometry.ChunkBytes;
        for (long offset = windowAt + _window.Length; offset < areaEnd; offset += _window.Length)
        {
            _file.ReadAt(buffer, offset);
            bool isClear = !buffer.AsSpan().ContainsAnyExcept((byte)0);
            if (!isClear && clear)
            {
                _file.WriteAt(Zeros.AsSpan(0, _window.Length), offset);
            }
            wasClear &= isClear;
        }
        return wasClear;
    }

    /// <summary>Before the entry is written out behind which readers look into it.</summary>
    private void MakeArea(ulong area)
    {
        ulong chunk = _geometry.AreaChunk(area);
        if (chunk >= _geometry.Chunks(_file.Length))
        {
            throw NoRoom.For(_file.Name, $"metadata area {area}");
        }
        ZeroChunk(chunk);
        _file.Flush();
        AreaEnd = EndOf(area);
    }

    private ulong EndOf(ulong area) => (area + 1) * _geometry.EntriesPerArea;

    private bool LoadWindow(Action<DiskException, long> take)
    {
        for (; _used < _window.Length; _used += DiskException.Size)
        {
            DiskException entry = DiskException.Read(_window.AsSpan(_used));
            if (entry.Ends)
            {
                return false;
            }
            take(entry, _geometry.EntryOffset(Count));
        }
        _first += EntriesPerWindow;
        _used = 0;
        return true;
    }
}
