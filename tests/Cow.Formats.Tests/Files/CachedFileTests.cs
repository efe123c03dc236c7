// SPDX-License-Identifier: MIT
using System.Buffers.Binary;
using Cow.Formats.Io;
using Cow.Formats.Tests.Images;

namespace Cow.Formats.Tests;

[TestFixture]
internal sealed class CachedFileTests
{
    private const int Page = MetadataCache.PageBytes;

    [Test]
    public void AnyTransferDoesWhatTheFileWouldAlone()
    {
        // Four pages for two files: all of it is read again and again.
        MetadataCache cache = new(4 * Page);
        MemoryImageFile[] plain = [new(), new()];
        CachedFile[] cached = [.. plain.Select(_ => new CachedFile(new MemoryImageFile(), cache))];
        Random random = new(5);
        for (int i = 0; i < 5000; i++)
        {
            int which = random.Next(2);
            (MemoryImageFile model, CachedFile file) = (plain[which], cached[which]);
            long at = random.NextInt64(10 * Page);
            byte[] data = new byte[random.Next(1, 3 * Page)];
            switch (random.Next(6))
            {
                case 0:
                    random.NextBytes(data);
                    model.WriteAt(data, at);
                    file.WriteAt(data, at);
                    break;
                case 1 when i % 10 == 0:
                    model.SetLength(at);
                    file.SetLength(at);
                    break;
                default:
                    RequireSameRead(model, file, data.Length, at);
                    break;
            }
            Assert.That(file.Length, Is.EqualTo(model.Length));
        }
    }

    [Test]
    public void AHoleIsAskedForOnceAndEndsWhereSomethingWasWritten()
    {
        using HoledFile inner = new(1 << 30);
        inner.WriteAt([1], 100 * Page);
        using CachedFile file = new(inner, new MetadataCache(4 * Page));
        Assert.That(file.NextData(50 * Page), Is.EqualTo(100 * Page));
        Assert.That(file.NextData(10 * Page), Is.EqualTo(100 * Page));
        Assert.That(file.NextData((100 * Page) + 5), Is.EqualTo((100 * Page) + 5));
        Assert.That((file.IsHole(99 * Page, Page), file.IsHole(99 * Page, Page + 1)), Is.EqualTo((true, false)));
        Assert.That(file.IsHole(101 * Page, (1 << 30) - (101 * Page)), Is.True);
        int asked = inner.Asked;
        file.WriteAt([2], 500 * Page);
        file.WriteAt(new byte[Page], (502 * Page) - 1);
        file.WriteAt(new byte[2 * Page], (501 * Page) - 1);
        Assert.That(file.NextData(101 * Page), Is.EqualTo(500 * Page));
        Assert.That(file.NextData(502 * Page), Is.EqualTo(502 * Page));
        Assert.That(file.NextData(503 * Page), Is.EqualTo(1 << 30));
        Assert.That(inner.Asked, Is.EqualTo(asked));
        file.SetLength(1 << 20);
        Assert.That(file.NextData(101 * Page), Is.EqualTo(1 << 20));
    }

    [Test]
    public void AWordIsAtHandInPagesUsedLast()
    {
        byte[] content = new byte[Page + 100];
        new Random(3).NextBytes(content);
        using CachedFile file = new(new MemoryImageFile([.. content]), new MetadataCache(4 * Page));
        Assert.That(RequireSameWord(content, file, 64), Is.False, "nothing was read yet");
        file.ReadAt(new byte[1], 0);
        file.ReadAt(new byte[1], Page);
        // The page is found again once it is in the cache, and remembered then.
        file.ReadAt(new byte[1], 0);
        file.ReadAt(new byte[1], Page);
        Assert.That(RequireSameWord(content, file, 64), Is.True);
        Assert.That(RequireSameWord(content, file, Page + 92), Is.True);
        Assert.That(file.TryReadWord(Page - 4, out _), Is.False, "in two pages");
        Assert.That(file.TryReadWord(Page + 96, out _), Is.False, "behind the end");
        file.WriteAt(new byte[4], 66);
        content.AsSpan(66, 4).Clear();
        Assert.That(RequireSameWord(content, file, 64), Is.True);
        file.SetLength(60);
        Assert.That(file.TryReadWord(64, out _), Is.False, "cut off");
    }

    [Test]
    public void WhatIsCachedIsNotReadAgain()
    {
        MetadataCache cache = new(16 * Page);
        using CachedFile file = new(new MemoryImageFile(new byte[8 * Page]), cache);
        byte[] buffer = new byte[8 * Page];
        file.ReadAt(buffer, 0);
        Assert.That(cache.Misses, Is.EqualTo(8));
        file.WriteAt([1, 2, 3, 4], Page - 2);
        file.ReadAt(buffer, 0);
        Assert.That(cache.Misses, Is.EqualTo(8), "a write changes what is cached and drops nothing");
        Assert.That(buffer.AsSpan(Page - 2, 4).ToArray(), Is.EqualTo(new byte[] { 1, 2, 3, 4 }));
    }

    [Test]
    public void AFailedWriteIsReadFromTheFile()
    {
        MemoryFile inner = new(2 * Page);
        using CachedFile file = new(new FaultyFile(inner, failing: 2), new MetadataCache(4 * Page));
        file.ReadAt(new byte[512], 0);
        byte[] data = new byte[1024];
        data.AsSpan().Fill(7);
        Assert.That(() => file.WriteAt(data, 0), Throws.InstanceOf<IOException>());
        Assert.That(() => file.ReadAt(new byte[512], 0), Throws.InstanceOf<IOException>(), "not what was cached");
    }

    [Test]
    public void BehindTheEndNothingIsRead()
    {
        using CachedFile file = new(new MemoryImageFile(new byte[Page + 100]), new MetadataCache(4 * Page));
        Assert.That(() => file.ReadAt(new byte[101], Page), Throws.InstanceOf<EndOfStreamException>());
        Assert.That(() => file.ReadAt(new byte[100], Page), Throws.Nothing);
        Assert.That(() => file.ReadAt(new byte[1], long.MaxValue - Page), Throws.InstanceOf<EndOfStreamException>());
        file.WriteAt(new byte[300], Page + 50);
        Assert.That(() => file.ReadAt(new byte[350], Page), Throws.Nothing);
    }

    /// <summary>Others write data into the last page while it is cached up to the file's end of then.</summary>
    [Test]
    public void WhatOthersWroteBehindTheEndIsRead()
    {
        MemoryImageFile inner = new(new byte[512]);
        using CachedFile file = new(inner, new MetadataCache(4 * Page));
        file.ReadAt(new byte[512], 0);
        inner.WriteAt([1, 1], 600);
        file.WriteAt([2, 2], 1024);
        byte[] data = new byte[2];
        file.ReadAt(data, 600);
        Assert.That(data, Is.EqualTo(new byte[] { 1, 1 }));
        file.ReadAt(data, 1024);
        Assert.That(data, Is.EqualTo(new byte[] { 2, 2 }));
    }

    [Test]
    public void AFileThatHangsStopsNobodyElse()
    {
        MetadataCache cache = new(4 * Page);
        using HangingFile hanging = new();
        using CachedFile stuck = new(hanging, cache);
        using CachedFile lively = new(new MemoryImageFile(new byte[32 * Page]), cache);
        Task reading = Task.Run(() => stuck.ReadAt(new byte[512], 0));
        Assert.That(hanging.Reached.Wait(TimeSpan.FromSeconds(60)), Is.True);
        Task other = Task.Run(() => lively.ReadAt(new byte[32 * Page], 0));
        Assert.That(other.Wait(TimeSpan.FromSeconds(60)), Is.True, "it waits for a file that is not its own");
        hanging.Release.Set();
        Assert.That(reading.Wait(TimeSpan.FromSeconds(60)), Is.True);
    }

    [Test]
    public void ThreadsWithFilesOfTheirOwnShareTheCache()
    {
        MetadataCache cache = new(8 * Page);
        Parallel.For(0, 4, number =>
        {
            byte[] content = new byte[16 * Page];
            new Random(number).NextBytes(content);
            using CachedFile file = new(new MemoryImageFile([.. content]), cache);
            Random random = new(number + 100);
            byte[] data = new byte[600];
            for (int i = 0; i < 5000; i++)
            {
                int at = random.Next(content.Length - data.Length);
                if (i % 5 == 0)
                {
                    random.NextBytes(data);
                    data.CopyTo(content, at);
                    file.WriteAt(data, at);
                }
                file.ReadAt(data, at);
                Assert.That(data.AsSpan().SequenceEqual(content.AsSpan(at, data.Length)), Is.True);
                RequireSameWord(content, file, random.Next(content.Length - sizeof(ulong)));
            }
        });
    }

    [Test]
    public void AFullCacheLeavesNoGarbage()
    {
        using CachedFile file = new(new MemoryImageFile(new byte[64 * Page]), new MetadataCache(8 * Page));
        byte[] all = new byte[64 * Page];
        file.ReadAt(all, 0);
        Assert.That(Garbage.Of(() => file.ReadAt(all, 0)), Is.Zero, "misses");
        Assert.That(Garbage.Of(() => file.ReadAt(all.AsSpan(0, Page), 0)), Is.Zero, "hits");
        Assert.That(Garbage.Of(() => file.WriteAt(all.AsSpan(0, Page), 0)), Is.Zero, "writes");
    }

    /// <summary>A word is not always at hand; where it is, it is the right one.</summary>
    private static bool RequireSameWord(ReadOnlySpan<byte> content, CachedFile file, int at)
    {
        bool found = file.TryReadWord((ulong)at, out ulong word);
        if (found)
        {
            Assert.That(word, Is.EqualTo(BinaryPrimitives.ReadUInt64BigEndian(content[at..])));
        }
        return found;
    }

    private static void RequireSameRead(MemoryImageFile model, CachedFile file, int length, long at)
    {
        byte[] expected = new byte[length];
        byte[] data = new byte[length];
        if (at + length > model.Length)
        {
            Assert.That(() => file.ReadAt(data, at), Throws.InstanceOf<EndOfStreamException>());
            return;
        }
        model.ReadAt(expected, at);
        file.ReadAt(data, at);
        Assert.That(data.AsSpan().SequenceEqual(expected), Is.True);
    }

    private sealed class HangingFile : IImageFile
    {
        public ManualResetEventSlim Reached { get; } = new();

        public ManualResetEventSlim Release { get; } = new();

        public string Name => "hanging";

        public long Length => Page;

        public void ReadAt(Span<byte> buffer, long offset)
        {
            Reached.Set();
            Release.Wait();
        }

        public void WriteAt(ReadOnlySpan<byte> data, long offset)
        {
        }

        public void Flush()
        {
        }

        public void Dispose()
        {
            Reached.Dispose();
            Release.Dispose();
        }
    }
}
