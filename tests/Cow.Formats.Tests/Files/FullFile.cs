// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>A file on a file system that becomes full: from then on it takes writes where it has blocks.</summary>
internal sealed class FullFile(IImageFile inner) : IImageFile
{
    private const int Sector = 512;

    private readonly HashSet<long> _kept = [];
    private long _end = long.MaxValue;

    public string Name => inner.Name;

    public long Length => inner.Length;

    public bool CanGrow => inner.CanGrow;

    /// <summary>There is no room any more.</summary>
    /// <param name="holes">The file has nothing but holes; else it has blocks to its end.</param>
    public void Fill(bool holes) => _end = holes ? 0 : Length;

    /// <summary>There is room again.</summary>
    public void Free()
    {
        _end = long.MaxValue;
        _kept.Clear();
    }

    /// <summary>Gives blocks to a part, however full.</summary>
    public void Keep(ByteRange bytes)
    {
        for (long at = bytes.Offset / Sector; at * Sector < bytes.Offset + bytes.Length; at++)
        {
            _kept.Add(at);
        }
    }

    public void SetLength(long bytes) => inner.SetLength(bytes);

    public void ReadAt(Span<byte> buffer, long offset) => inner.ReadAt(buffer, offset);

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        for (long at = Math.Max(offset, _end) / Sector; at * Sector < offset + data.Length; at++)
        {
            if (!_kept.Contains(at))
            {
                throw new IOException($"{Name}: no space for byte {at * Sector}");
            }
        }
        inner.WriteAt(data, offset);
    }

    public void Flush() => inner.Flush();

    public void Dispose() => inner.Dispose();
}
