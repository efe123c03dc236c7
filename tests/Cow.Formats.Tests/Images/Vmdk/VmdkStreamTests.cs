// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>streamOptimized images that we write are read by QEMU and by us.</summary>
[TestFixture]
internal sealed class VmdkStreamTests
{
    private const string Image = "image.vmdk";

    private static readonly VmdkDriver Driver = new();

    /// <summary>Of one grain, of a part of a table, and of three tables of which the second has no grains.</summary>
    [TestCase(65536, 0)]
    [TestCase((3 << 20) + 512, 5)]
    [TestCase((70 << 20) + 1536, 1)]
    public void WhatWeStreamIsRead(int diskBytes, int seed)
    {
        Qemu.Require();
        using ScratchFolder folder = new();
        byte[] content = Content(diskBytes, new Random(seed));
        using (FolderFiles files = new(folder.Path))
        {
            Write(Driver.Stream(files.New(Image), Options(diskBytes)), content);
        }
        File.WriteAllBytes(folder.File("expected"), content);
        Qemu.Compare(folder.Path, "vmdk", Image, "expected");
        Assert.That(Qemu.Img(folder.Path, "info", "-f", "vmdk", Image), Does.Contain("create type: streamOptimized"));
        using FolderFiles again = new(folder.Path);
        using ImageDisk disk = new(ImageStack.Open(again.Source(Image, writable: false), new ImageStackOptions(Format: "vmdk")));
        byte[] read = new byte[disk.Length];
        disk.Read(0, read);
        Assert.That(read.AsSpan().CommonPrefixLength(content), Is.EqualTo(diskBytes));
        Assert.That(disk.Chain.Check().Errors, Is.Empty);
    }

    [Test]
    public void PartsOutOfOrderAreRefused()
    {
        MemoryFiles files = new();
        IStreamedImage stream = Driver.Stream(files.New(Image), Options(1 << 20));
        byte[] packed = new byte[stream.MostPackedBytes];
        int length = stream.Pack(new byte[stream.PackBytes], packed);
        stream.Append(65536, packed.AsSpan(0, length));
        Assert.That(() => stream.Append(65536, packed.AsSpan(0, length)), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [TestCase("subformat", "monolithicSparse")]
    [TestCase("zeroed_grain", "on")]
    public void WhatAStreamCannotBeIsRefused(string name, string value)
    {
        ImageCreateOptions options = Options(1 << 20) with { Settings = new Dictionary<string, string> { [name] = value } };
        Assert.That(() => Driver.Stream(new MemoryFiles().New(Image), options), Throws.ArgumentException);
    }

    private static ImageCreateOptions Options(int diskBytes) => new((ulong)diskBytes, null, new Dictionary<string, string>());

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
