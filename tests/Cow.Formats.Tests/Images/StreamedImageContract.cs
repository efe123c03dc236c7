// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

/// <summary>Compressed images that we write as streams are read by QEMU and by us. Their fixtures inherit it.</summary>
internal abstract class StreamedImageContract
{
    protected const string Image = "image";

    private protected abstract IStreamingDriver Driver { get; }

    /// <summary>Settings of images to be tried.</summary>
    protected abstract IReadOnlyList<Dictionary<string, string>> Settings { get; }

    /// <summary>Of one part, of a part of a table, and of tables between which there are some without data.</summary>
    [TestCase(65536, 0)]
    [TestCase((3 << 20) + 512, 5)]
    [TestCase((70 << 20) + 1536, 1)]
    public void WhatWeStreamIsRead(int diskBytes, int seed)
    {
        Qemu.Require();
        byte[] content = Content(diskBytes, new Random(seed));
        foreach (Dictionary<string, string> settings in Settings)
        {
            using ScratchFolder folder = new();
            using (FolderFiles files = new(folder.Path))
            {
                Write(Driver.Stream(files.New(Image), Options(diskBytes, settings)), content);
            }
            File.WriteAllBytes(folder.File("expected"), content);
            Qemu.Compare(folder.Path, Driver.Name, Image, "expected");
            Assert.That(new FileInfo(folder.File(Image)).Length, Is.LessThan((diskBytes / 2) + (1 << 20)), "a third of it does not compress");
            using FolderFiles again = new(folder.Path);
            using ImageDisk disk = new(ImageStack.Open(again.Source(Image, writable: false), new ImageStackOptions(Format: Driver.Name)));
            byte[] read = new byte[disk.Length];
            disk.Read(0, read);
            Assert.That(read.AsSpan().CommonPrefixLength(content), Is.EqualTo(diskBytes));
            Assert.That(disk.Chain.Check().Clean, Is.True);
        }
    }

    [Test]
    public void PartsOutOfOrderAreRefused()
    {
        MemoryFiles files = new();
        IStreamedImage stream = Driver.Stream(files.New(Image), Options(1 << 20, []));
        byte[] packed = new byte[stream.MostPackedBytes];
        int length = stream.Pack(new byte[stream.PackBytes], packed);
        stream.Append(65536, packed.AsSpan(0, length));
        Assert.That(() => stream.Append(65536, packed.AsSpan(0, length)), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    protected static ImageCreateOptions Options(int diskBytes, Dictionary<string, string> settings) => new((ulong)diskBytes, null, settings);

    private static void Write(IStreamedImage stream, byte[] content)
    {
        byte[] packed = new byte[stream.MostPackedBytes];
        byte[] part = new byte[stream.PackBytes];
        for (int at = 0; at < content.Length; at += part.Length)
        {
            part.AsSpan().Clear();
            content.AsSpan(at, Math.Min(part.Length, content.Length - at)).CopyTo(part);
            if (part.AsSpan().ContainsAnyExcept((byte)0))
            {
                stream.Append((ulong)at, packed.AsSpan(0, stream.Pack(part, packed)));
            }
        }
        stream.Complete();
    }

    /// <summary>Some that compresses, some that grows, and zeros: also all of the second 32 MiB, which have a table of their own.</summary>
    private static byte[] Content(int bytes, Random random)
    {
        byte[] content = new byte[bytes];
        for (int at = 0; at < bytes; at += 65536)
        {
            Span<byte> part = content.AsSpan(at, Math.Min(65536, bytes - at));
            switch (at >> 25 == 1 ? 2 : (at >> 16) % 3)
            {
                case 0:
                    random.NextBytes(part);
                    break;
                case 1:
                    part.Fill((byte)random.Next(1, 256));
                    break;
                default:
                    break;
            }
        }
        return content;
    }
}
