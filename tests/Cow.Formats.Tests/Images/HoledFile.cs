// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>A file of any length in memory, mostly holes, of which it knows; it counts what is read.</summary>
internal sealed class HoledFile(long length, string name = "image") : IImageFile
{
    private const int Page = 4096;

    private readonly SortedList<long, byte[]> _pages = [];

    private bool _hidden;

    public string Name => name;

    public long Length { get; private set; } = length;

    public bool CanGrow => true;

    /// <summary>Bytes that were read.</summary>
    public long BytesRead { get; set; }

    /// <summary>Bytes that were written.</summary>
    public long BytesWritten { get; set; }

    /// <summary>How often all of it was made durable.</summary>
    public int Flushes { get; private set; }

    /// <summary>How often somebody asked for holes.</summary>
    public int Asked { get; private set; }

    /// <summary>All is told to be a hole until it is durable, as some file systems do with what was written just now.</summary>
    public void Hide() => _hidden = true;

    public void SetLength(long bytes) => Length = bytes;

    public long NextData(long offset)
    {
        Asked++;
        if (_hidden)
        {
            return Length;
        }
        int low = 0;
        for (int high = _pages.Count; low < high;)
        {
            int middle = (low + high) / 2;
            (low, high) = (_pages.GetKeyAtIndex(middle) + 1) * Page <= offset ? (middle + 1, high) : (low, middle);
        }
        return low == _pages.Count ? Length : Math.Min(Length, Math.Max(offset, _pages.GetKeyAtIndex(low) * Page));
    }

    public void ReadAt(Span<byte> buffer, long offset)
    {
        BytesRead += buffer.Length;
        if (offset < 0 || offset > Length - buffer.Length)
        {
            throw new EndOfStreamException($"{buffer.Length} bytes at {offset} of {Length}");
        }
        for (int done = 0; done < buffer.Length;)
        {
            (long page, int within, int count) = Part(offset + done, buffer.Length - done);
            Span<byte> part = buffer.Slice(done, count);
            done += count;
            if (_pages.TryGetValue(page, out byte[]? bytes))
            {
                bytes.AsSpan(within, count).CopyTo(part);
            }
            else
            {
                part.Clear();
            }
        }
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        BytesWritten += data.Length;
        Length = Math.Max(Length, offset + data.Length);
        for (int done = 0; done < data.Length;)
        {
            (long page, int within, int count) = Part(offset + done, data.Length - done);
            if (!_pages.TryGetValue(page, out byte[]? bytes))
            {
                _pages.Add(page, bytes = new byte[Page]);
            }
            data.Slice(done, count).CopyTo(bytes.AsSpan(within));
            done += count;
        }
    }

    public void Flush()
    {
        Flushes++;
        _hidden = false;
    }

    public void Dispose()
    {
    }

    private static (long Page, int Within, int Count) Part(long offset, int length)
    {
        int within = (int)(offset % Page);
        return (offset / Page, within, Math.Min(Page - within, length));
    }
}
