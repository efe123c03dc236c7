// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Replay;

/// <summary>
/// A device in memory, and forks of it: a fork is written without a trace in what it was made from.
/// </summary>
/// <remarks>What was never written reads as poison rather than zeros: a store must not take what it finds there for its own.</remarks>
internal sealed class MemoryImage : IImageFile
{
    private const byte Poison = 0xe5;

    private static readonly Page Unwritten = new([.. Enumerable.Repeat(Poison, Page.Bytes)]);

    private readonly Dictionary<long, Page> _pages = [];
    private readonly MemoryImage? _parent;

    public MemoryImage(string name, long length)
    {
        Name = name;
        Length = length;
    }

    private MemoryImage(MemoryImage parent)
        : this(parent.Name, parent.Length) => _parent = parent;

    public string Name { get; }

    public long Length { get; }

    /// <summary>An image that holds the same. This one must not be written as long as that one is used.</summary>
    public MemoryImage Fork() => new(this);

    public Page PageAt(long number) =>
        _pages.TryGetValue(number, out Page? page) ? page : _parent?.PageAt(number) ?? Unwritten;

    public void ReadAt(Span<byte> buffer, long offset)
    {
        Require(offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            ReadOnlySpan<byte> from = PageAt(offset / Page.Bytes).Data.AsSpan((int)(offset % Page.Bytes));
            int count = Math.Min(buffer.Length, from.Length);
            from[..count].CopyTo(buffer);
            buffer = buffer[count..];
            offset += count;
        }
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        Require(offset, data.Length);
        while (!data.IsEmpty)
        {
            byte[] bytes = [.. PageAt(offset / Page.Bytes).Data];
            Span<byte> to = bytes.AsSpan((int)(offset % Page.Bytes));
            int count = Math.Min(data.Length, to.Length);
            data[..count].CopyTo(to);
            _pages[offset / Page.Bytes] = new Page(bytes);
            data = data[count..];
            offset += count;
        }
    }

    public void Flush()
    {
        // There is no power to lose.
    }

    public void Dispose()
    {
        // Nothing but memory.
    }

    private void Require(long offset, int count)
    {
        if (offset < 0 || offset + count > Length)
        {
            throw new EndOfStreamException($"{Name}: {count} bytes at {offset} reach beyond the end");
        }
    }
}
