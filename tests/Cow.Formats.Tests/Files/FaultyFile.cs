// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>A device whose n-th operation fails, and each one after it. A failing write leaves half of it behind.</summary>
internal sealed class FaultyFile(IImageFile inner, int failing) : IImageFile
{
    private int _count;

    public string Name => inner.Name;

    public long Length => inner.Length;

    /// <summary>The operation has come.</summary>
    public bool Failed => _count >= failing;

    public void ReadAt(Span<byte> buffer, long offset)
    {
        Step();
        inner.ReadAt(buffer, offset);
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        if (_count + 1 == failing)
        {
            inner.WriteAt(data[..(data.Length / 1024 * 512)], offset);
        }
        Step();
        inner.WriteAt(data, offset);
    }

    public void Flush()
    {
        Step();
        inner.Flush();
    }

    public void Dispose()
    {
    }

    private void Step()
    {
        if (++_count >= failing)
        {
            throw new IOException($"operation {_count} fails by intent");
        }
    }
}
