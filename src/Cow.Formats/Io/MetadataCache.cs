// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>
/// Pages of metadata of any number of files, bounded altogether: what was not used for longest makes room (second chance).
/// </summary>
/// <remarks>Thread-safe, as long as each file has one user at a time. A file is read and written outside of the lock: one that hangs stops nobody
/// else. Allocates nothing once it is full. A page at the end of a file is cached as far as the file reached when it was read.</remarks>
public sealed class MetadataCache
{
    /// <summary>Bytes of a page.</summary>
    public const int PageBytes = 4096;

    /// <summary>Bytes where nobody said otherwise.</summary>
    public const int DefaultBytes = 32 << 20;

    private readonly Lock _lock = new();

    // Guarded by _lock: all that follows, and the slots with their bytes.
    private readonly Dictionary<PageKey, Slot> _slots = [];
    private readonly List<Slot> _pages = [];
    private readonly int _limit;
    private int _hand;
    private int _files;
    private long _misses;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="bytes">Bytes that its pages may take; at least four pages.</param>
    public MetadataCache(int bytes = DefaultBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 4 * PageBytes);
        _limit = bytes / PageBytes;
    }

    /// <summary>Reads that had to go to a file.</summary>
    public long Misses
    {
        get
        {
            lock (_lock)
            {
                return _misses;
            }
        }
    }

    internal int NewFile()
    {
        lock (_lock)
        {
            return ++_files;
        }
    }

    /// <summary>Copies bytes of a page that is cached.</summary>
    /// <returns>False where the page is not, or not so far.</returns>
    internal bool TryRead(int file, long page, int within, Span<byte> buffer)
    {
        lock (_lock)
        {
            if (!_slots.TryGetValue(new PageKey(file, page), out Slot? slot) || slot.Valid < within + buffer.Length)
            {
                return false;
            }
            slot.Used = true;
            slot.Bytes.AsSpan(within, buffer.Length).CopyTo(buffer);
            return true;
        }
    }

    /// <summary>Takes a page that was read over.</summary>
    /// <param name="file">Number of the file.</param>
    /// <param name="page">Number of the page.</param>
    /// <param name="bytes">Its bytes. Belong to the cache from now on.</param>
    /// <param name="valid">How many of them the file has.</param>
    /// <returns>Bytes of a page for the next read, instead of those.</returns>
    internal byte[] Add(int file, long page, byte[] bytes, int valid)
    {
        lock (_lock)
        {
            _misses++;
            PageKey key = new(file, page);
            Drop(key);
            Slot slot = FreeSlot();
            byte[] spare = slot.Bytes;
            (slot.Bytes, slot.Key, slot.Valid, slot.Used) = (bytes, key, valid, true);
            _slots.Add(key, slot);
            return spare;
        }
    }

    /// <summary>Changes what is cached of these bytes, which were written to the file.</summary>
    internal void Update(int file, long offset, ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            while (!data.IsEmpty)
            {
                int within = (int)(offset % PageBytes);
                int count = Math.Min(data.Length, PageBytes - within);
                Update(new PageKey(file, offset / PageBytes), within, data[..count]);
                data = data[count..];
                offset += count;
            }
        }
    }

    /// <summary>Drops the pages that hold any of these bytes.</summary>
    internal void Forget(int file, long offset, long length)
    {
        lock (_lock)
        {
            long first = offset / PageBytes;
            long last = length == 0 ? first - 1 : (offset + length - 1) / PageBytes;
            if (last - first < _pages.Count)
            {
                for (long page = first; page <= last; page++)
                {
                    Drop(new PageKey(file, page));
                }
                return;
            }
            foreach (Slot slot in _pages)
            {
                if (slot.Key.File == file && slot.Key.Page >= first && slot.Key.Page <= last)
                {
                    Drop(slot.Key);
                }
            }
        }
    }

    private void Update(PageKey key, int within, ReadOnlySpan<byte> data)
    {
        if (!_slots.TryGetValue(key, out Slot? slot))
        {
            return;
        }
        if (within > slot.Valid)
        {
            // Somebody else may have written what lies between.
            Drop(key);
            return;
        }
        data.CopyTo(slot.Bytes.AsSpan(within));
        slot.Valid = Math.Max(slot.Valid, within + data.Length);
    }

    private void Drop(PageKey key)
    {
        if (_slots.Remove(key, out Slot? slot))
        {
            slot.Key = default;
            slot.Valid = 0;
        }
    }

    private Slot FreeSlot()
    {
        if (_pages.Count < _limit)
        {
            _pages.Add(new Slot());
            return _pages[^1];
        }
        while (true)
        {
            _hand = (_hand + 1) % _limit;
            Slot slot = _pages[_hand];
            if (!slot.Used || slot.Valid == 0)
            {
                Drop(slot.Key);
                return slot;
            }
            slot.Used = false;
        }
    }

    private readonly record struct PageKey(int File, long Page);

    private sealed class Slot
    {
        public byte[] Bytes { get; set; } = new byte[PageBytes];

        public PageKey Key { get; set; }

        public int Valid { get; set; }

        public bool Used { get; set; }
    }
}
