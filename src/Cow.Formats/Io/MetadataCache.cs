// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>
/// Pages of metadata of any number of files, bounded altogether: what was not used for longest makes room (second chance).
/// </summary>
/// <remarks>Thread-safe, as long as each file has one user at a time. A file is read and written outside of the lock: one that hangs stops nobody
/// else. A file finds the pages that it used last without the lock: see <see cref="PageView"/>. Allocates nothing once it is full. A page at the end of a file is cached as far as the file reached when it was read.</remarks>
public sealed class MetadataCache
{
    /// <summary>Bytes of a page.</summary>
    public const int PageBytes = 4096;

    /// <summary>Bytes where nobody said otherwise.</summary>
    public const int DefaultBytes = 32 << 20;

    private readonly Lock _lock = new();

    // Guarded by _lock: all that follows.
    private readonly Dictionary<(int File, long Page), CachedPage> _byKey = [];
    private readonly List<CachedPage> _pages = [];
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

    /// <summary>Finds a page, which was used thereby.</summary>
    /// <returns>A view of no page where it is not cached.</returns>
    internal PageView Find(int file, long page)
    {
        lock (_lock)
        {
            if (!_byKey.TryGetValue((file, page), out CachedPage? cached))
            {
                return default;
            }
            cached.Used = true;
            return new PageView(cached);
        }
    }

    /// <summary>Takes a page that was read over.</summary>
    /// <param name="file">Number of the file.</param>
    /// <param name="page">Number of the page.</param>
    /// <param name="bytes">Its bytes. They belong to the cache from now on.</param>
    /// <param name="valid">How many of them the file has.</param>
    /// <returns>Bytes of a page for the next read, instead of those.</returns>
    internal byte[] Add(int file, long page, byte[] bytes, int valid)
    {
        lock (_lock)
        {
            _misses++;
            Drop((file, page));
            CachedPage free = FreePage();
            byte[] spare = free.Bytes;
            (free.Bytes, free.Key, free.Valid, free.Used) = (bytes, (file, page), valid, true);
            _byKey.Add(free.Key, free);
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
                Update((file, offset / PageBytes), within, data[..count]);
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
                    Drop((file, page));
                }
                return;
            }
            foreach (CachedPage page in _pages)
            {
                if (page.Key.File == file && page.Key.Page >= first && page.Key.Page <= last)
                {
                    Drop(page.Key);
                }
            }
        }
    }

    private void Update((int File, long Page) key, int within, ReadOnlySpan<byte> data)
    {
        if (!_byKey.TryGetValue(key, out CachedPage? page))
        {
            return;
        }
        if (within > page.Valid)
        {
            // Somebody else may have written what lies between.
            Drop(key);
            return;
        }
        data.CopyTo(page.Bytes.AsSpan(within));
        page.Valid = Math.Max(page.Valid, within + data.Length);
    }

    private void Drop((int File, long Page) key)
    {
        if (_byKey.Remove(key, out CachedPage? page))
        {
            page.Invalidate();
        }
    }

    private CachedPage FreePage()
    {
        if (_pages.Count < _limit)
        {
            _pages.Add(new CachedPage());
            return _pages[^1];
        }
        while (true)
        {
            _hand = (_hand + 1) % _limit;
            CachedPage page = _pages[_hand];
            if (!page.Used || page.Valid == 0)
            {
                Drop(page.Key);
                return page;
            }
            page.Used = false;
        }
    }
}
