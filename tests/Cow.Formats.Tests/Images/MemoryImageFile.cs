// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>A regular file in memory: it grows when it is written behind its end.</summary>
internal sealed class MemoryImageFile(byte[] bytes, string name = "memory") : IImageFile
{
    private byte[] _bytes = bytes;
    private long _length = bytes.Length;

    public MemoryImageFile()
        : this([])
    {
    }

    public string Name => name;

    public long Length => _length;

    public bool CanGrow => true;

    /// <summary>Writes, length changes and flushes that came.</summary>
    public int Changes { get; private set; }

    /// <summary>A copy of what is in it.</summary>
    public byte[] ToArray() => _bytes.AsSpan(0, (int)_length).ToArray();

    public void SetLength(long bytes)
    {
        Changes++;
        Resize(bytes);
    }

    public void ReadAt(Span<byte> buffer, long offset)
    {
        if (offset < 0 || offset > _length - buffer.Length)
        {
            throw new EndOfStreamException($"{buffer.Length} bytes at {offset} of {_length}");
        }
        _bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        Changes++;
        if (offset + data.Length > _length)
        {
            Resize(offset + data.Length);
        }
        data.CopyTo(_bytes.AsSpan((int)offset));
    }

    public void Flush() => Changes++;

    public void Dispose()
    {
    }

    private void Resize(long bytes)
    {
        if (bytes > 1 << 30)
        {
            throw new IOException($"{name}: no space for {bytes} bytes");
        }
        if (bytes > _bytes.Length)
        {
            Array.Resize(ref _bytes, (int)Math.Max(bytes, Math.Min(_bytes.Length * 2L, 1 << 30)));
        }
        if (bytes > _length)
        {
            _bytes.AsSpan((int)_length, (int)(bytes - _length)).Clear();
        }
        _length = bytes;
    }
}
