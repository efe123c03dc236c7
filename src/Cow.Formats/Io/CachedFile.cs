// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Io;

/// <summary>A file whose reads go through a <see cref="MetadataCache"/>, and whose writes go to the file and to what is cached of it.</summary>
/// <remarks>For metadata. Data that the kernel writes under us is read and written through <see cref="Uncached"/>: what is cached of the same 4 KiB
/// is then not what is in the file, and never asked for. Not thread-safe; the cache is.
/// Closing it closes the file.</remarks>
public sealed class CachedFile : IImageFile
{
    private readonly MetadataCache _cache;
    private readonly int _id;

    /// <summary>Pages that are found without the cache's lock: few at first, since most files have a few tables; at most 64 KiB of them.</summary>
    private const int FewRecent = 16;
    private const int MostRecent = 2048;

    /// <summary>The pages used last, by the last bits of their number.</summary>
    private (long Page, PageView View)[] _recent = new (long, PageView)[FewRecent];

    /// <summary>How often a page took the room of another one since there is as much as there is.</summary>
    private int _displaced;

    /// <summary>A hole of the file, as far as it was asked for: whoever goes through many tables in one asks once.</summary>
    private (long Start, long End) _hole;

    /// <summary>What was found to be data and asked for last, to the end of its page. That it stays so does no harm.</summary>
    private (long Start, long End) _data;

    /// <summary>What was written here: data, though some file systems call it a hole for a while. Others write data, but no tables.</summary>
    private readonly RangeSet _written = new(MetadataCache.PageBytes);

    /// <summary>A page to read into, exchanged for another whenever the cache takes one over.</summary>
    private byte[]? _page;

    /// <summary>Takes over the file.</summary>
    public CachedFile(IImageFile file, MetadataCache cache)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(cache);
        Uncached = file;
        _cache = cache;
        _id = cache.NewFile();
    }

    /// <summary>The file itself.</summary>
    public IImageFile Uncached { get; }

    /// <inheritdoc/>
    public string Name => Uncached.Name;

    /// <inheritdoc/>
    public long Length => Uncached.Length;

    /// <inheritdoc/>
    public bool CanGrow => Uncached.CanGrow;

    /// <inheritdoc/>
    public long NextData(long offset)
    {
        if (offset >= _data.Start && offset < _data.End)
        {
            return offset;
        }
        if (offset < _hole.Start || offset >= _hole.End)
        {
            long next = Uncached.NextData(offset);
            if (next == offset)
            {
                _data = (offset, (offset | (MetadataCache.PageBytes - 1)) + 1);
                return offset;
            }
            _hole = (offset, next);
        }
        long start = _written.Hole(offset, _hole.End, out long length);
        return start == offset ? offset + length : offset;
    }

    /// <summary>Whether a range inside the file is nothing but a hole: zeros.</summary>
    public bool IsHole(long offset, long length) => NextData(offset) >= offset + length;

    /// <inheritdoc/>
    public void ReadAt(Span<byte> buffer, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        while (!buffer.IsEmpty)
        {
            long page = offset / MetadataCache.PageBytes;
            int within = (int)(offset % MetadataCache.PageBytes);
            int count = Math.Min(buffer.Length, MetadataCache.PageBytes - within);
            if (!TryRead(page, within, buffer[..count]))
            {
                Load(page, within, buffer[..count]);
            }
            buffer = buffer[count..];
            offset += count;
        }
    }

    /// <summary>Reads a big-endian word that lies in a page used of late.</summary>
    /// <returns>False where it does not: <see cref="ReadAt"/> gives it.</returns>
    internal bool TryReadWord(ulong offset, out ulong word)
    {
        (long page, int within) = ((long)(offset / MetadataCache.PageBytes), (int)(offset % MetadataCache.PageBytes));
        ref (long Page, PageView View) recent = ref _recent[page & (_recent.Length - 1)];
        word = 0;
        return recent.Page == page && recent.View.TryReadWord(within, out word);
    }

    /// <inheritdoc/>
    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        _written.Include(offset, data.Length);
        try
        {
            Uncached.WriteAt(data, offset);
        }
        catch
        {
            // Nobody knows what is on the disk.
            _cache.Forget(_id, offset, data.Length);
            throw;
        }
        _cache.Update(_id, offset, data);
    }

    /// <inheritdoc/>
    public void SetLength(long bytes)
    {
        _hole = default;
        _cache.Forget(_id, bytes, long.MaxValue - bytes);
        Uncached.SetLength(bytes);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        Uncached.Flush();
        // What was called a hole may have been written by somebody who was killed, and be on the disk only now.
        _hole = default;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Forget(_id, 0, long.MaxValue);
        Uncached.Dispose();
    }

    private bool TryRead(long page, int within, Span<byte> buffer)
    {
        ref (long Page, PageView View) recent = ref _recent[page & (_recent.Length - 1)];
        if (recent.Page == page && recent.View.TryRead(within, buffer))
        {
            return true;
        }
        PageView found = _cache.Find(_id, page);
        if (recent.Page != page && ++_displaced > 4 * _recent.Length && _recent.Length < MostRecent)
        {
            // They go round in more tables than there is room for.
            (_recent, _displaced) = (new (long, PageView)[Math.Min(4 * _recent.Length, MostRecent)], 0);
        }
        _recent[page & (_recent.Length - 1)] = (page, found);
        return found.TryRead(within, buffer);
    }

    private void Load(long page, int within, Span<byte> buffer)
    {
        long start = page * MetadataCache.PageBytes;
        int valid = (int)Math.Clamp(Uncached.Length - start, 0, MetadataCache.PageBytes);
        if (valid < within + buffer.Length)
        {
            throw new EndOfStreamException($"{Name}: {buffer.Length} bytes at {start + within} reach beyond the end");
        }
        _page ??= new byte[MetadataCache.PageBytes];
        Uncached.ReadAt(_page.AsSpan(0, valid), start);
        _page.AsSpan(within, buffer.Length).CopyTo(buffer);
        _page = _cache.Add(_id, page, _page, valid);
    }
}
