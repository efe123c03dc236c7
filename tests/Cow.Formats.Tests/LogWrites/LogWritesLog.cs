// SPDX-License-Identifier: MIT
using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.LogWrites;

/// <summary>
/// A log of dm-log-writes or of QEMU's blklogwrites: reads it, and replays what a power cut could have left
/// (Documentation/admin-guide/device-mapper/log-writes.rst; struct log_write_super and log_write_entry, little-endian).
/// </summary>
/// <remarks>Entries are in the order in which they completed, and were logged only once a flush covered them; so a cut is: all up to the last
/// flush, and any subset of what follows it.</remarks>
public sealed class LogWritesLog
{
    private const ulong SuperMagic = 0x6a736677736872;
    private const ulong KnownVersion = 1;

    private readonly string _path;

    private LogWritesLog(string path, uint sectorBytes, IReadOnlyList<LogEntry> entries)
    {
        _path = path;
        SectorBytes = sectorBytes;
        Entries = entries;
    }

    /// <summary>The unit of the log: bytes of a sector of the logged device.</summary>
    public uint SectorBytes { get; }

    /// <summary>All entries, in their order.</summary>
    public IReadOnlyList<LogEntry> Entries { get; }

    /// <summary>Reads the index of a log; data stays where it is.</summary>
    /// <exception cref="InvalidDataException">Not a log, or cut short.</exception>
    public static LogWritesLog Read(string path)
    {
        using FileStream log = File.OpenRead(path);
        Span<byte> super = stackalloc byte[28];
        log.ReadExactly(super);
        ulong count = ReadUInt64LittleEndian(super[16..]);
        uint sectorBytes = ReadUInt32LittleEndian(super[24..]);
        bool known = ReadUInt64LittleEndian(super) == SuperMagic && ReadUInt64LittleEndian(super[8..]) == KnownVersion;
        if (!known || !uint.IsPow2(sectorBytes) || sectorBytes < 512 || count > (ulong)log.Length / sectorBytes)
        {
            throw new InvalidDataException($"{path} is no log of dm-log-writes");
        }
        List<LogEntry> entries = [];
        long next = sectorBytes;
        for (ulong i = 0; i < count; i++)
        {
            entries.Add(ReadEntry(log, sectorBytes, ref next));
        }
        return new LogWritesLog(path, sectorBytes, entries);
    }

    /// <summary>Index of the entry that bears a mark.</summary>
    public int FindMark(string mark)
    {
        for (int i = 0; i < Entries.Count; i++)
        {
            if (Entries[i].Mark == mark)
            {
                return i;
            }
        }
        throw new KeyNotFoundException($"no mark {mark} in {_path}");
    }

    /// <summary>Writes all of the first entries to a device or file.</summary>
    /// <param name="target">Path; holds what the logged device held when logging began.</param>
    /// <param name="count">How many entries.</param>
    public void Replay(string target, int count) => Replay(target, count, random: null);

    /// <summary>Writes what a power cut after the first entries could have left: all up to the last flush, and FUA writes; of the
    /// rest each 512-byte sector by chance, in order.</summary>
    /// <param name="target">Path; holds what the logged device held when logging began.</param>
    /// <param name="count">How many entries.</param>
    /// <param name="seed">Names the subset.</param>
    public void ReplayCut(string target, int count, int seed) => Replay(target, count, new Random(seed));

    private void Replay(string target, int count, Random? random)
    {
        using FileStream log = File.OpenRead(_path);
        using FileStream device = new(target, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        int safe = count - 1;
        while (safe >= 0 && !Entries[safe].IsBarrier)
        {
            safe--;
        }
        for (int i = 0; i < count; i++)
        {
            LogEntry entry = Entries[i];
            // A flush with data is a barrier for what is before it; its own data is as volatile as any, but for FUA.
            bool certain = random is null || i < safe || (entry.Flags & LogEntryKinds.Fua) != 0;
            Apply(log, device, entry, certain ? null : random);
        }
    }

    private static void Apply(FileStream log, FileStream device, LogEntry entry, Random? chance)
    {
        byte[] sector = new byte[512];
        log.Position = entry.DataAt;
        for (long at = 0; at < entry.Length; at += sector.Length)
        {
            if ((entry.Flags & LogEntryKinds.Discard) == 0)
            {
                log.ReadExactly(sector);
            }
            if (chance is null || chance.Next(2) == 0)
            {
                device.Position = entry.Offset + at;
                device.Write(sector);
            }
        }
    }

    private static LogEntry ReadEntry(FileStream log, uint sectorBytes, ref long next)
    {
        Span<byte> head = stackalloc byte[32];
        log.Position = next;
        log.ReadExactly(head);
        LogEntryKinds flags = (LogEntryKinds)ReadUInt64LittleEndian(head[16..]);
        ulong mark = ReadUInt64LittleEndian(head[24..]);
        string? name = null;
        if ((flags & LogEntryKinds.Mark) != 0)
        {
            byte[] text = new byte[Math.Min(mark, sectorBytes - 32)];
            log.ReadExactly(text);
            name = Encoding.UTF8.GetString(text).TrimEnd('\0');
        }
        long offset = checked((long)(ReadUInt64LittleEndian(head) * sectorBytes));
        long length = checked((long)(ReadUInt64LittleEndian(head[8..]) * sectorBytes));
        LogEntry entry = new(offset, length, flags, next + sectorBytes, name);
        next += sectorBytes + ((flags & LogEntryKinds.Discard) == 0 ? length : 0);
        if (next > log.Length)
        {
            throw new InvalidDataException($"{log.Name} ends inside an entry");
        }
        return entry;
    }
}
