// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Replay.LogWrites;

/// <summary>
/// A log of dm-log-writes or of QEMU's blklogwrites: reads it, and replays what a power cut could have left
/// (Documentation/admin-guide/device-mapper/log-writes.rst; struct log_write_super and log_write_entry, little-endian).
/// </summary>
/// <remarks>Entries are in the order in which they completed, and were logged only once a flush covered them; so a cut is: all up to the last
/// flush, and any subset of what follows it.</remarks>
internal sealed class LogWritesLog
{
    private const ulong SuperMagic = 0x6a736677736872;
    private const ulong KnownVersion = 1;
    private const int SubsetBytes = 512;

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
    /// <param name="path">A file, or a device that dm-log-writes has let go of.</param>
    /// <exception cref="InvalidDataException">Not a log, or cut short.</exception>
    public static LogWritesLog Read(string path)
    {
        using FileStream log = File.OpenRead(path);
        long length = LengthOf(path);
        Span<byte> super = stackalloc byte[28];
        log.ReadExactly(super);
        ulong count = ReadUInt64LittleEndian(super[16..]);
        uint sectorBytes = ReadUInt32LittleEndian(super[24..]);
        bool known = ReadUInt64LittleEndian(super) == SuperMagic && ReadUInt64LittleEndian(super[8..]) == KnownVersion;
        if (!known || !uint.IsPow2(sectorBytes) || sectorBytes < SubsetBytes || count > (ulong)length / sectorBytes)
        {
            throw new InvalidDataException($"{path} is no log of dm-log-writes");
        }
        List<LogEntry> entries = [];
        long next = sectorBytes;
        for (ulong i = 0; i < count; i++)
        {
            entries.Add(ReadEntry(log, sectorBytes, ref next));
            if (next > length)
            {
                throw new InvalidDataException($"{path} ends inside an entry");
            }
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

    /// <summary>Writes all of some entries.</summary>
    /// <param name="target">Holds what the logged device held before the first of them.</param>
    /// <param name="from">Index of the first.</param>
    /// <param name="end">Index behind the last.</param>
    public void Replay(IImageFile target, int from, int end) => Apply(target, from, end, chance: null);

    /// <summary>Writes what a power cut could have left of some entries: FUA writes, and of the rest each 512-byte sector by chance, in order.</summary>
    /// <param name="target">Holds what the logged device held before the first of them.</param>
    /// <param name="from">Index of the first, which <see cref="SafeBefore"/> gave for <paramref name="end"/>.</param>
    /// <param name="end">Index behind the last.</param>
    /// <param name="chance">Picks the subset.</param>
    public void ReplayCut(IImageFile target, int from, int end, Random chance)
    {
        ArgumentNullException.ThrowIfNull(chance);
        Apply(target, from, end, chance);
    }

    /// <summary>Index of the last flush before a cut, or 0: what is before it survives. The flush's own data is as volatile as any, but for FUA.</summary>
    /// <param name="end">Index behind the last entry before the cut.</param>
    public int SafeBefore(int end)
    {
        int safe = end - 1;
        while (safe > 0 && !Entries[safe].IsBarrier)
        {
            safe--;
        }
        return Math.Max(safe, 0);
    }

    private void Apply(IImageFile target, int from, int end, Random? chance)
    {
        ArgumentNullException.ThrowIfNull(target);
        using FileStream log = File.OpenRead(_path);
        for (int i = from; i < end; i++)
        {
            LogEntry entry = Entries[i];
            bool certain = chance is null || (entry.Flags & LogEntryKinds.Fua) != 0;
            if (entry.Mark is null && entry.Length > 0)
            {
                Apply(log, target, entry, certain ? null : chance);
            }
        }
    }

    private static void Apply(FileStream log, IImageFile target, LogEntry entry, Random? chance)
    {
        byte[] data = new byte[entry.Length];
        if ((entry.Flags & LogEntryKinds.Discard) == 0)
        {
            log.Position = entry.DataAt;
            log.ReadExactly(data);
        }
        if (chance is null)
        {
            target.WriteAt(data, entry.Offset);
            return;
        }
        for (int at = 0; at < data.Length; at += SubsetBytes)
        {
            if (chance.Next(2) == 0)
            {
                target.WriteAt(data.AsSpan(at, SubsetBytes), entry.Offset + at);
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
        return entry;
    }

    /// <summary>fstat knows no size for a block device, sysfs does.</summary>
    private static long LengthOf(string path)
    {
        string size = $"/sys/class/block/{Path.GetFileName(Path.GetFullPath(path))}/size";
        return File.Exists(size) && Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal)
            ? long.Parse(File.ReadAllText(size), CultureInfo.InvariantCulture) * 512
            : new FileInfo(path).Length;
    }
}
