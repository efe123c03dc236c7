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
    private ulong _written;

    /// <summary>The entry that fills the current area.</summary>
    private ulong _lastOfArea;

    public ExceptionLog(IImageFile file, DmSnapshotGeometry geometry)
    {
        _file = file;
        _geometry = geometry;
        _window = new byte[Math.Min(geometry.ChunkBytes, MaxWindowBytes)];
    }

    /// <summary>Entries in the list, those appended but not written out included.</summary>
    public ulong Count { get; private set; }

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
            _file.ReadAt(_window, _geometry.EntryOffset(Count));
        }
        while (LoadWindow(take));
        _written = Count;
        _lastOfArea = LastOf(Count / _geometry.EntriesPerArea);
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

    /// <summary>Appends entries for chunks of the disk at adjoining chunks of the store; on disk only after <see cref="WriteOut"/>, or earlier.</summary>
    public void Append(ulong oldChunk, ulong newChunk, ulong count)
    {
        int slot = SlotAt(Count);
        for (; count > 0; oldChunk++, newChunk++, count--)
        {
            if (Count == _lastOfArea)
            {
                MakeArea((Count / _geometry.EntriesPerArea) + 1);
            }
            new DiskException(oldChunk, newChunk).Write(_window.AsSpan(slot));
            Count++;
            slot += DiskException.Size;
            if (slot == _window.Length)
            {
                WriteOut();
                _window.AsSpan().Clear();
                slot = 0;
            }
        }
    }

    /// <summary>As the other one.</summary>
    /// <returns>How many entries these are.</returns>
    public ulong Append(ReadOnlySpan<PlacedRun> runs)
    {
        ulong before = Count;
        foreach (ref readonly PlacedRun run in runs)
        {
            Append(run.Run.Chunk, run.Place.Sector / _geometry.ChunkSectors, run.Run.Count);
        }
        return Count - before;
    }

    /// <summary>Writes the sectors of the window that have new entries.</summary>
    public void WriteOut()
    {
        if (_written == Count)
        {
            return;
        }
        ulong window = _written / EntriesPerWindow * EntriesPerWindow;
        int from = (int)(_written - window) * DiskException.Size / SectorBytes * SectorBytes;
        int to = (int)(Count - window) * DiskException.Size;
        to = (to + SectorBytes - 1) / SectorBytes * SectorBytes;
        _file.WriteAt(_window.AsSpan(from, to - from), _geometry.EntryOffset(window) + from);
        _written = Count;
    }

    private bool WalkTail(bool clear)
    {
        long windowAt = _geometry.EntryOffset(Count / EntriesPerWindow * EntriesPerWindow);
        int used = SlotAt(Count);
        bool wasClear = !_window.AsSpan(used).ContainsAnyExcept((byte)0);
        if (!wasClear && clear)
        {
            _window.AsSpan(used).Clear();
            int from = used / SectorBytes * SectorBytes;
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

    /// <summary>Before the entry is written behind which readers look into it.</summary>
    private void MakeArea(ulong area)
    {
        ulong chunk = _geometry.AreaChunk(area);
        if (chunk >= _geometry.Chunks(_file.Length))
        {
            throw new IOException($"{_file.Name}: no room for metadata area {area}");
        }
        ZeroChunk(chunk);
        _file.Flush();
        _lastOfArea = LastOf(area);
    }

    private ulong LastOf(ulong area) => ((area + 1) * _geometry.EntriesPerArea) - 1;

    private bool LoadWindow(Action<DiskException, long> take)
    {
        ulong end = Count + EntriesPerWindow;
        while (Count < end)
        {
            DiskException entry = DiskException.Read(_window.AsSpan(SlotAt(Count)));
            if (entry.Ends)
            {
                return false;
            }
            take(entry, _geometry.EntryOffset(Count));
            Count++;
        }
        return true;
    }

    private int SlotAt(ulong entry) => (int)(entry % EntriesPerWindow) * DiskException.Size;
}
