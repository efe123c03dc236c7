// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>A regular file in memory: it grows when it is written behind its end, and its holes cost nothing, nor does a copy of it.</summary>
internal sealed class MemoryImageFile : IImageFile
{
    /// <summary>Small enough that the garbage collector does not treat it as a large object.</summary>
    private const int PageBytes = 16 << 10;

    private const long MostBytes = 1 << 30;

    private readonly string _name;

    // Null where there are zeros; pages that copies share are not written.
    private readonly List<byte[]?> _pages;
    private readonly List<bool> _shared;
    private long _length;

    public MemoryImageFile()
        : this([])
    {
    }

    public MemoryImageFile(byte[] bytes, string name = "memory")
        : this(name, 0, [], [])
    {
        Resize(bytes.Length);
        Write(bytes, 0);
    }

    private MemoryImageFile(string name, long length, List<byte[]?> pages, List<bool> shared) =>
        (_name, _length, _pages, _shared) = (name, length, pages, shared);

    public string Name => _name;

    public long Length => _length;

    public bool CanGrow => true;

    /// <summary>Writes and length changes that came. A flush is none: whoever wants to believe the holes of a file asks for one.</summary>
    public int Changes { get; private set; }

    /// <summary>A copy of what is in it.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[_length];
        ReadAt(bytes, 0);
        return bytes;
    }

    /// <summary>Another file with the same content.</summary>
    public MemoryImageFile Copy()
    {
        for (int i = 0; i < _shared.Count; i++)
        {
            _shared[i] = true;
        }
        return new MemoryImageFile(_name, _length, [.. _pages], [.. _shared]);
    }

    public void SetLength(long bytes)
    {
        Changes++;
        Resize(bytes);
    }

    public long NextData(long offset)
    {
        int page = (int)(offset / PageBytes);
        while (page < _pages.Count && _pages[page] is null)
        {
            page++;
        }
        return Math.Clamp((long)page * PageBytes, offset, Math.Max(_length, offset));
    }

    public void ReadAt(Span<byte> buffer, long offset)
    {
        if (offset < 0 || offset > _length - buffer.Length)
        {
            throw new EndOfStreamException($"{buffer.Length} bytes at {offset} of {_length}");
        }
        for (int done = 0; done < buffer.Length;)
        {
            (int page, int within, int part) = Part(offset + done, buffer.Length - done);
            Span<byte> there = buffer.Slice(done, part);
            if (_pages[page] is { } bytes)
            {
                bytes.AsSpan(within, part).CopyTo(there);
            }
            else
            {
                there.Clear();
            }
            done += part;
        }
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        Changes++;
        Resize(Math.Max(_length, offset + data.Length));
        Write(data, offset);
    }

    public void Flush()
    {
    }

    public void Dispose()
    {
    }

    private void Write(ReadOnlySpan<byte> data, long offset)
    {
        for (int done = 0; done < data.Length;)
        {
            (int page, int within, int part) = Part(offset + done, data.Length - done);
            ReadOnlySpan<byte> there = data.Slice(done, part);
            if (_pages[page] is not null || there.ContainsAnyExcept((byte)0))
            {
                there.CopyTo(Own(page).AsSpan(within));
            }
            done += part;
        }
    }

    /// <summary>A page that only this file has.</summary>
    private byte[] Own(int page)
    {
        if (_pages[page] is not { } bytes)
        {
            _pages[page] = new byte[PageBytes];
        }
        else if (_shared[page])
        {
            _pages[page] = [.. bytes];
        }
        _shared[page] = false;
        return _pages[page]!;
    }

    private static (int Page, int Within, int Part) Part(long offset, int length)
    {
        int within = (int)(offset % PageBytes);
        return ((int)(offset / PageBytes), within, Math.Min(PageBytes - within, length));
    }

    private void Resize(long bytes)
    {
        if (bytes > MostBytes)
        {
            throw new IOException($"{_name}: no space for {bytes} bytes");
        }
        int pages = (int)((bytes + PageBytes - 1) / PageBytes);
        if (pages < _pages.Count)
        {
            _pages.RemoveRange(pages, _pages.Count - pages);
            _shared.RemoveRange(pages, _shared.Count - pages);
        }
        while (_pages.Count < pages)
        {
            _pages.Add(null);
            _shared.Add(false);
        }
        if (bytes < _length && bytes % PageBytes != 0 && _pages[^1] is not null)
        {
            // Should it grow again, there are zeros.
            Own(pages - 1).AsSpan((int)(bytes % PageBytes)).Clear();
        }
        _length = bytes;
    }
}
