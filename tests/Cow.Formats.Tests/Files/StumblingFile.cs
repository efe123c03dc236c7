// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>A file of which one write fails when the test says so, and those behind it do not. Half of it is there then.</summary>
internal sealed class StumblingFile(IImageFile inner) : IImageFile
{
    /// <summary>ENOSPC, EDQUOT and EIO of errno(3).</summary>
    public const int NoSpace = 28, OverQuota = 122, BadSector = 5;

    /// <summary>Why the next write fails; null once it has.</summary>
    public IOException? NextWrite { get; set; }

    /// <summary>As .NET throws what it knows no better.</summary>
    public static IOException Failure(int error) => new($"error {error}, by intent", error);

    public string Name => inner.Name;

    public long Length => inner.Length;

    public bool CanGrow => inner.CanGrow;

    public void SetLength(long bytes) => inner.SetLength(bytes);

    public long NextData(long offset) => inner.NextData(offset);

    public void ReadAt(Span<byte> buffer, long offset) => inner.ReadAt(buffer, offset);

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        if (NextWrite is { } why)
        {
            NextWrite = null;
            inner.WriteAt(data[..(data.Length / 1024 * 512)], offset);
            throw why;
        }
        inner.WriteAt(data, offset);
    }

    public void Flush() => inner.Flush();

    public void Dispose() => inner.Dispose();
}
