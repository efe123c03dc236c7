// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>
/// Pages of metadata of any number of files, bounded altogether: what was not used for longest makes room (second chance).
/// </summary>
/// <remarks>Thread-safe. Allocates nothing once it is full. A page at the end of a file is cached as far as the file reached when it was read.</remarks>
public sealed class MetadataCache
{
    /// <summary>Bytes of a page.</summary>
    public const int PageBytes = 4096;

    /// <summary>Bytes where nobody said otherwise.</summary>
    public const int DefaultBytes = 32 << 20;

    private readonly Lock _lock = new();

    // Guarded by _lock: all that follows.
    private readonly Dictionary<PageKey, int> _slots;
    private readonly List<Slot> _pages = [];
    private readonly int _limit;
    private int _hand;
    private int _files;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="bytes">Bytes that its pages may take; at least four pages.</param>
    public MetadataCache(int bytes = DefaultBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 4 * PageBytes);
        _limit = bytes / PageBytes;
        _slots = [];
    }

    /// <summary>Reads that had to go to a file.</summary>
    public long Misses { get; private set; }

    internal int NewFile()
    {
        lock (_lock)
        {
            return ++_files;
        }
    }

    internal void Read(int file, IImageFile source, Span<byte> buffer, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        lock (_lock)
        {
            while (!buffer.IsEmpty)
            {
                int within = (int)(offset % PageBytes);
                int count = Math.Min(buffer.Length, PageBytes - within);
                Slot page = Page(new PageKey(file, offset / PageBytes), source, within + count);
                page.Bytes.AsSpan(within, count).CopyTo(buffer);
                buffer = buffer[count..];
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

    private void Drop(PageKey key)
    {
        if (_slots.Remove(key, out int slot))
        {
            _pages[slot].Key = default;
            _pages[slot].Valid = 0;
        }
    }

    private Slot Page(PageKey key, IImageFile source, int needed)
    {
        if (_slots.TryGetValue(key, out int at) && _pages[at].Valid >= needed)
        {
            _pages[at].Used = true;
            return _pages[at];
        }
        Misses++;
        long start = key.Page * PageBytes;
        int valid = (int)Math.Clamp(source.Length - start, 0, PageBytes);
        if (valid < needed)
        {
            throw new EndOfStreamException($"{source.Name}: {needed} bytes at {start} reach beyond the end");
        }
        Drop(key);
        at = FreeSlot();
        Slot slot = _pages[at];
        source.ReadAt(slot.Bytes.AsSpan(0, valid), start);
        (slot.Key, slot.Valid, slot.Used) = (key, valid, true);
        _slots[key] = at;
        return slot;
    }

    private int FreeSlot()
    {
        if (_pages.Count < _limit)
        {
            _pages.Add(new Slot());
            return _pages.Count - 1;
        }
        while (true)
        {
            _hand = (_hand + 1) % _limit;
            Slot slot = _pages[_hand];
            if (!slot.Used || slot.Valid == 0)
            {
                Drop(slot.Key);
                return _hand;
            }
            slot.Used = false;
        }
    }

    private readonly record struct PageKey(int File, long Page);

    private sealed class Slot
    {
        public byte[] Bytes { get; } = new byte[PageBytes];

        public PageKey Key { get; set; }

        public int Valid { get; set; }

        public bool Used { get; set; }
    }
}
