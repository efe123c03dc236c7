// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>A file in memory over bytes that others share: what is written here is seen here only. Cheap to make.</summary>
internal sealed class PatchedFile(byte[] shared, string name) : IImageFile
{
    private const int Page = 4096;

    /// <summary>How much it may grow: then it is full.</summary>
    private const long MostGrowth = 64 << 20;

    private readonly Dictionary<long, byte[]> _pages = [];
    private long _shared = shared.Length;

    public string Name => name;

    public long Length { get; private set; } = shared.Length;

    public bool CanGrow => true;

    public void SetLength(long bytes)
    {
        if (bytes > shared.Length + MostGrowth)
        {
            throw new IOException($"{name} is full");
        }
        if (bytes < Length)
        {
            _shared = Math.Min(_shared, bytes);
            foreach (long page in _pages.Keys.Where(p => (p + 1) * Page > bytes).ToList())
            {
                int kept = (int)Math.Max(0, bytes - (page * Page));
                _pages[page].AsSpan(kept).Clear();
            }
        }
        Length = bytes;
    }

    public void ReadAt(Span<byte> buffer, long offset)
    {
        if (offset < 0 || offset > Length - buffer.Length)
        {
            throw new EndOfStreamException($"{buffer.Length} bytes at {offset} of {Length}");
        }
        for (int done = 0; done < buffer.Length;)
        {
            int within = (int)((offset + done) % Page);
            int part = Math.Min(Page - within, buffer.Length - done);
            Read((offset + done) / Page, within, buffer.Slice(done, part));
            done += part;
        }
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        if (offset + data.Length > Length)
        {
            SetLength(offset + data.Length);
        }
        for (int done = 0; done < data.Length;)
        {
            long page = (offset + done) / Page;
            int within = (int)((offset + done) % Page);
            int part = Math.Min(Page - within, data.Length - done);
            if (!_pages.TryGetValue(page, out byte[]? bytes))
            {
                bytes = new byte[Page];
                Read(page, 0, bytes);
                _pages.Add(page, bytes);
            }
            data.Slice(done, part).CopyTo(bytes.AsSpan(within));
            done += part;
        }
    }

    public void Flush()
    {
    }

    public void Dispose()
    {
    }

    private void Read(long page, int within, Span<byte> buffer)
    {
        if (_pages.TryGetValue(page, out byte[]? bytes))
        {
            bytes.AsSpan(within, buffer.Length).CopyTo(buffer);
            return;
        }
        long start = (page * Page) + within;
        int present = (int)Math.Clamp(_shared - start, 0, buffer.Length);
        shared.AsSpan((int)Math.Min(start, _shared), present).CopyTo(buffer);
        buffer[present..].Clear();
    }
}
