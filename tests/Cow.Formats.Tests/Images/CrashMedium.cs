// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Files in memory that remember all that was done to them, in one order, so that power can be cut at any point afterwards.</summary>
internal sealed class CrashMedium
{
    private const int Sector = 512;

    private readonly List<Operation> _log = [];
    private readonly List<(string Name, MemoryImageFile First)> _files = [];

    /// <summary>Operations so far: power can fail before and after each.</summary>
    public int Position => _log.Count;

    /// <summary>Positions right behind a flush.</summary>
    public IEnumerable<int> Flushes => Enumerable.Range(0, _log.Count).Where(i => _log[i].Data is null && _log[i].Length < 0).Select(i => i + 1);

    /// <summary>Adds a file that is durable as it is.</summary>
    public IImageFile Add(string name, MemoryImageFile first)
    {
        _files.Add((name, first));
        return new LoggedFile(this, _files.Count - 1, first.Copy());
    }

    /// <summary>What is left when power fails after the first <paramref name="position"/> operations: of each file all that was flushed, and of what
    /// came behind that any sector old or new, or in between where it was written twice; and any length that the file had.</summary>
    public MemoryFiles CutPower(int position, Random random)
    {
        MemoryFiles left = new();
        for (int file = 0; file < _files.Count; file++)
        {
            left.Add(_files[file].Name, CutPower(file, position, random));
        }
        return left;
    }

    private MemoryImageFile CutPower(int file, int position, Random random)
    {
        List<Operation> operations = [.. _log.Take(position).Where(o => o.File == file)];
        int flushed = operations.FindLastIndex(o => o.IsFlush) + 1;
        MemoryImageFile disk = _files[file].First.Copy();
        foreach (Operation operation in operations.Take(flushed))
        {
            operation.ApplyTo(disk);
        }
        List<Operation> unsure = operations[flushed..];
        long length = LengthOf(disk, unsure, random);
        // Often all or nothing of a sector's writes, sometimes anything between.
        double all = random.Next(5) switch { 0 => 0, 1 => 1, 2 => 0.9, 3 => 0.1, _ => 0.5 };
        Dictionary<long, int> kept = CountWrites(unsure);
        foreach (long sector in kept.Keys.ToArray())
        {
            int writes = kept[sector];
            kept[sector] = random.NextDouble() < all ? writes : random.Next(random.Next(2) == 0 ? 1 : writes + 1);
        }
        foreach (Operation operation in unsure)
        {
            for (long sector = operation.Offset; sector < operation.DataEnd; sector += Sector)
            {
                if (kept[sector]-- > 0)
                {
                    disk.WriteAt(operation.Data.AsSpan((int)(sector - operation.Offset), Sector), sector);
                }
            }
        }
        disk.SetLength(length);
        return disk;
    }

    /// <summary>How often each sector was written, in the order in which they came.</summary>
    private static Dictionary<long, int> CountWrites(List<Operation> operations)
    {
        Dictionary<long, int> writes = [];
        foreach (Operation operation in operations)
        {
            for (long sector = operation.Offset; sector < operation.DataEnd; sector += Sector)
            {
                writes[sector] = writes.GetValueOrDefault(sector) + 1;
            }
        }
        return writes;
    }

    /// <summary>One of the lengths that the file had since it was flushed.</summary>
    private static long LengthOf(MemoryImageFile disk, List<Operation> unsure, Random random)
    {
        List<long> lengths = [disk.Length];
        foreach (Operation operation in unsure)
        {
            lengths.Add(operation.Data is null ? operation.Length : Math.Max(lengths[^1], operation.Offset + operation.Data.Length));
        }
        return random.Next(3) == 0 ? lengths[random.Next(lengths.Count)] : lengths[^1];
    }

    /// <summary>A write, a new length, or (neither) a flush.</summary>
    private readonly record struct Operation(int File, long Offset, byte[]? Data, long Length)
    {
        public bool IsFlush => Data is null && Length < 0;

        /// <summary>Byte behind what is written.</summary>
        public long DataEnd => Offset + (Data?.Length ?? 0);

        public void ApplyTo(MemoryImageFile disk)
        {
            if (Data is not null)
            {
                disk.WriteAt(Data, Offset);
            }
            else if (Length >= 0)
            {
                disk.SetLength(Length);
            }
        }
    }

    private sealed class LoggedFile(CrashMedium medium, int file, MemoryImageFile now) : IImageFile
    {
        public string Name => now.Name;

        public long Length => now.Length;

        public bool CanGrow => true;

        public void SetLength(long bytes)
        {
            now.SetLength(bytes);
            medium._log.Add(new Operation(file, 0, null, bytes));
        }

        public long NextData(long offset) => now.NextData(offset);

        public void ReadAt(Span<byte> buffer, long offset) => now.ReadAt(buffer, offset);

        public void WriteAt(ReadOnlySpan<byte> data, long offset)
        {
            if (offset % Sector != 0 || data.Length % Sector != 0)
            {
                Assert.Fail($"a write of {data.Length} bytes at {offset}: a torn sector is neither old nor new");
            }
            now.WriteAt(data, offset);
            medium._log.Add(new Operation(file, offset, data.ToArray(), -1));
        }

        public void Flush() => medium._log.Add(new Operation(file, 0, null, -1));

        public void Dispose()
        {
        }
    }
}
