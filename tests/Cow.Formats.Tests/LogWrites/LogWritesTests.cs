// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using Cow.Replay.LogWrites;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.LogWrites;

[TestFixture]
internal sealed class LogWritesTests
{
    private string _log = "";
    private string _disk = "";

    [SetUp]
    public void MakeLog()
    {
        _log = Path.GetTempFileName();
        _disk = Path.GetTempFileName();
        List<byte> bytes = [.. new byte[512]];
        WriteEntry(bytes, 0, 2, LogEntryKinds.None, 0xaa);
        WriteEntry(bytes, 0, 0, LogEntryKinds.Flush, 0);
        WriteEntry(bytes, 1, 1, LogEntryKinds.None, 0xbb);
        WriteEntry(bytes, 3, 1, LogEntryKinds.Fua, 0xcc);
        WriteEntry(bytes, 0, 1, LogEntryKinds.Discard, 0);
        WriteEntry(bytes, 0, 0, LogEntryKinds.Mark, 0);
        byte[] log = [.. bytes];
        WriteUInt64LittleEndian(log, 0x6a736677736872);
        WriteUInt64LittleEndian(log.AsSpan(8), 1);
        WriteUInt64LittleEndian(log.AsSpan(16), 6);
        WriteUInt32LittleEndian(log.AsSpan(24), 512);
        File.WriteAllBytes(_log, log);
        File.WriteAllBytes(_disk, new byte[4 * 512]);
    }

    [TearDown]
    public void RemoveFiles()
    {
        File.Delete(_log);
        File.Delete(_disk);
    }

    [Test]
    public void AWholeLogIsReplayed()
    {
        LogWritesLog log = LogWritesLog.Read(_log);
        Assert.That(log.FindMark("end"), Is.EqualTo(5));
        using ImageFile disk = Disk();
        log.Replay(disk, 0, log.Entries.Count);
        Assert.That(Sectors(), Is.EqualTo(new byte[] { 0, 0xbb, 0, 0xcc }));
    }

    [Test]
    public void ACutKeepsWhatWasFlushedAndAnySubsetOfTheRest()
    {
        LogWritesLog log = LogWritesLog.Read(_log);
        HashSet<string> seen = [];
        for (int seed = 0; seed < 50; seed++)
        {
            File.WriteAllBytes(_disk, new byte[4 * 512]);
            using (ImageFile disk = Disk())
            {
                int safe = log.SafeBefore(log.Entries.Count);
                log.Replay(disk, 0, safe);
                log.ReplayCut(disk, safe, log.Entries.Count, new Random(seed));
            }
            byte[] sectors = Sectors();
            Assert.That(sectors[0], Is.EqualTo(0xaa).Or.EqualTo(0), "flushed, then perhaps discarded");
            Assert.That(sectors[1], Is.EqualTo(0xaa).Or.EqualTo(0xbb));
            Assert.That(sectors[3], Is.EqualTo(0xcc), "FUA");
            seen.Add(Convert.ToHexString(sectors));
        }
        Assert.That(seen, Has.Count.EqualTo(4));
    }

    [Test]
    public void AnythingElseIsRefused()
    {
        File.WriteAllBytes(_log, new byte[1024]);
        Assert.That(() => LogWritesLog.Read(_log), Throws.InstanceOf<InvalidDataException>());
    }

    private static void WriteEntry(List<byte> log, ulong sector, ulong count, LogEntryKinds flags, byte fill)
    {
        byte[] head = new byte[512];
        WriteUInt64LittleEndian(head, sector);
        WriteUInt64LittleEndian(head.AsSpan(8), count);
        WriteUInt64LittleEndian(head.AsSpan(16), (ulong)flags);
        if (flags == LogEntryKinds.Mark)
        {
            WriteUInt64LittleEndian(head.AsSpan(24), 3);
            "end"u8.CopyTo(head.AsSpan(32));
        }
        log.AddRange(head);
        if (flags != LogEntryKinds.Discard)
        {
            log.AddRange(Enumerable.Repeat(fill, (int)count * 512));
        }
    }

    private ImageFile Disk() => new(File.OpenHandle(_disk, FileMode.Open, FileAccess.ReadWrite), _disk, 512);

    private byte[] Sectors() => [.. File.ReadAllBytes(_disk).Where((_, i) => i % 512 == 0)];
}
