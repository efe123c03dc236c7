// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>A device in memory. It does not grow by itself.</summary>
internal sealed class MemoryFile(byte[] bytes) : IImageFile
{
    public MemoryFile(long length)
        : this(new byte[length])
    {
    }

    public byte[] Bytes { get; private set; } = bytes;

    public string Name => "memory";

    public long Length => Bytes.Length;

    public void Resize(long length)
    {
        byte[] now = new byte[length];
        Bytes.AsSpan(0, (int)Math.Min(length, Bytes.Length)).CopyTo(now);
        Bytes = now;
    }

    public void ReadAt(Span<byte> buffer, long offset)
    {
        RequireInside(offset, buffer.Length);
        Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        RequireInside(offset, data.Length);
        data.CopyTo(Bytes.AsSpan((int)offset));
    }

    public void Flush()
    {
    }

    public void Dispose()
    {
    }

    private void RequireInside(long offset, int count)
    {
        if (offset < 0 || offset > Bytes.Length - count)
        {
            throw new EndOfStreamException($"{count} bytes at {offset} of {Bytes.Length}");
        }
    }
}
