// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>A device with a volatile cache that remembers all that was done to it, so that power can be cut at any point afterwards.</summary>
internal sealed class CrashFile(long length) : IImageFile
{
    private const int Sector = 512;

    private readonly MemoryFile _now = new(length);
    private readonly List<(long Offset, byte[]? Data)> _log = [];
    private MemoryFile _replay = new(length);
    private int _replayed;

    public string Name => "crash";

    public long Length => _now.Length;

    /// <summary>Writes and flushes so far: each is a point at which power can fail.</summary>
    public int Position => _log.Count;

    public void ReadAt(Span<byte> buffer, long offset) => _now.ReadAt(buffer, offset);

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        _now.WriteAt(data, offset);
        _log.Add((offset, data.ToArray()));
    }

    public void Flush() => _log.Add((0, null));

    public void Dispose()
    {
    }

    /// <summary>What is left when power fails after the first <paramref name="position"/> operations: all that was flushed, and of the writes
    /// after it any sector old, new, or in between where it was written twice.</summary>
    public MemoryFile CutPower(int position, Random random)
    {
        int flushed = _log.FindLastIndex(Math.Max(position - 1, 0), Math.Max(position, 1), o => o.Data is null) + 1;
        Dictionary<long, int> cache = [];
        MemoryFile disk = new([.. Flushed(flushed)]);
        List<(long, byte[])> volatileSectors = [.. _log.Take(position).Skip(flushed).SelectMany(o => SectorsOf(o.Offset, o.Data!))];
        foreach ((long offset, byte[] _) in volatileSectors)
        {
            cache[offset] = cache.GetValueOrDefault(offset) + 1;
        }
        // For each sector the number of its writes that reached the medium.
        Dictionary<long, int> kept = cache.ToDictionary(c => c.Key, c => random.Next(c.Value + 1));
        foreach ((long offset, byte[] data) in volatileSectors)
        {
            if (kept[offset]-- > 0)
            {
                disk.WriteAt(data, offset);
            }
        }
        return disk;
    }

    /// <summary>What the first operations leave if all of them reach the medium. Fast where it is asked for growing numbers.</summary>
    private byte[] Flushed(int operations)
    {
        if (operations < _replayed)
        {
            (_replay, _replayed) = (new MemoryFile(length), 0);
        }
        for (; _replayed < operations; _replayed++)
        {
            _replay.WriteAt(_log[_replayed].Data, _log[_replayed].Offset);
        }
        return _replay.Bytes;
    }

    private static IEnumerable<(long Offset, byte[] Data)> SectorsOf(long offset, byte[] data)
    {
        Assert.That((offset % Sector, data.Length % Sector), Is.EqualTo((0L, 0)), "a format writes whole sectors, or a torn one is neither old nor new");
        return data.Chunk(Sector).Select((d, i) => (offset + (i * Sector), d));
    }
}
