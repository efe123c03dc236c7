// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>A part of another file, so that several devices share one history of writes.</summary>
internal sealed class SliceFile(IImageFile whole, long start, long length) : IImageFile
{
    public string Name => $"{whole.Name}+{start}";

    public long Length => length;

    public void ReadAt(Span<byte> buffer, long offset) => whole.ReadAt(buffer, Inside(offset, buffer.Length));

    public void WriteAt(ReadOnlySpan<byte> data, long offset) => whole.WriteAt(data, Inside(offset, data.Length));

    public void Flush() => whole.Flush();

    public void Dispose()
    {
    }

    private long Inside(long offset, int count) => offset >= 0 && offset <= length - count ? start + offset : throw new EndOfStreamException($"{count} bytes at {offset} of {length}");
}
