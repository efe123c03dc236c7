// SPDX-License-Identifier: MIT
using System.IO.Compression;
using System.Text;
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>Kinds that are only read, made by hand: seSparse, compressed extents with a footer, extents without a descriptor.</summary>
[TestFixture]
internal sealed class VmdkReadOnlyKindsTests
{
    private const int SeDirectoryAt = 3 * 512;
    private const int SeTableAt = 8 * 512;
    private const int SeGrainsAt = SeTableAt + SeSparseCodec.TableBytes;
    private const int SeBytes = 1 << 20;
    private const int GrainBytes = 65536;

    [Test]
    public void SeSparseReadsAsQemuReadsIt()
    {
        byte[] extent = SeSparse();
        byte[] model = new byte[SeBytes];
        model.AsSpan(0, 4096).Fill(0x31);
        model.AsSpan(5 * 4096, 4096).Fill(0x32);
        MemoryFiles files = SeFiles(extent);
        RequireReads(files, model);
        Assert.That(() => Open(files, writable: true), Throws.InstanceOf<ImageFormatException>());
        using ScratchFolder folder = new();
        Qemu.Require();
        File.WriteAllBytes(folder.File("image"), files.Bytes("image"));
        File.WriteAllBytes(folder.File("extent"), extent);
        File.WriteAllBytes(folder.File("raw"), model);
        Qemu.Compare(folder.Path, "vmdk", "image", "raw");
    }

    [TestCase(0, 0xcafebabfUL)]
    [TestCase(8, 1UL)]
    [TestCase(16, 0UL)]
    [TestCase(16, ulong.MaxValue)]
    [TestCase(24, 16UL)]
    [TestCase(32, 32UL)]
    [TestCase(40, 1UL)]
    [TestCase(80, 1UL << 40)]
    [TestCase(512 + 24, 1UL)]
    [TestCase(128, 1UL << 60)]
    [TestCase(136, 0UL)]
    [TestCase(SeDirectoryAt, 0x2000000000000000UL)]
    [TestCase(SeDirectoryAt, 0x1000000000000001UL)]
    [TestCase(SeTableAt, 0x0000000000000001UL)]
    [TestCase(SeTableAt, 0x4000000000000000UL)]
    [TestCase(SeTableAt, 0x3fffffffffffffffUL)]
    [TestCase(SeTableAt, 0x3001000000000000UL)]
    public void CheckFindsWhatIsWrongInSeSparse(int at, ulong value)
    {
        byte[] extent = SeSparse();
        Assert.That(Errors(SeFiles(extent)), Is.Empty);
        WriteUInt64LittleEndian(extent.AsSpan(at), value);
        Assert.That(Errors(SeFiles(extent)), Is.Not.Empty);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void CompressedGrainsAreInflated(bool footer)
    {
        byte[] model = Model();
        MemoryFiles files = Files(Compressed(model, footer));
        RequireReads(files, model);
        Assert.That(Errors(files), Is.Empty);
        using IDiskImage image = Open(files);
        Assert.That(image.Lookup(0, GrainBytes).Kind, Is.EqualTo(ImageExtentKind.Packed));
        Assert.That(image.Info.ReadOnlyReason, Is.Not.Null);
        Assert.That(() => Open(files, writable: true), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void AFooterThatDoesNotAgreeWithTheHeaderIsRefused()
    {
        foreach (int field in (int[])[4, 8, 12, 20, 44])
        {
            byte[] image = Compressed(Model(), footer: true);
            image[^(1024 - field)] ^= 4;
            Assert.That(() => Open(Files(image)), Throws.InstanceOf<ImageFormatException>(), $"field at {field}");
        }
    }

    [Test]
    public void CheckFindsWhatIsWrongInCompressedGrains()
    {
        byte[] image = Compressed(Model(), footer: false);
        int first = (int)ReadUInt32LittleEndian(image.AsSpan(22 * 512)) * 512;
        foreach ((int at, string what) in ((int, string)[])[(first, "another sector"), (first + 11, "too many bytes"), (first + 12, "no zlib header"), (first + 40, "damage")])
        {
            byte[] bad = [.. image];
            bad[at] ^= 0x55;
            Assert.That(Errors(Files(bad)), Is.Not.Empty, what);
        }
    }

    [Test]
    public void AnExtentWithoutDescriptorIsOnlyRead()
    {
        MemoryFiles files = new();
        HostedCreation.Write(files.New("image").File, 2048, zeroed: false, null);
        using IDiskImage image = Open(files);
        Assert.That(image.Info.ReadOnlyReason, Does.Contain("descriptor"));
        Assert.That(() => Open(files, writable: true), Throws.InstanceOf<ImageFormatException>());
    }

    private static byte[] Model()
    {
        byte[] model = new byte[(3 * GrainBytes) + 512];
        for (int i = 0; i < model.Length; i++)
        {
            model[i] = unchecked((byte)((i / 300) + 1));
        }
        return model;
    }

    /// <summary>Header, descriptor, directory at sector 21, table at 22, and grains.</summary>
    private static byte[] Compressed(byte[] model, bool footer)
    {
        using MemoryStream image = new();
        ulong sectors = (ulong)model.Length / 512;
        HostedHeader header = new(
            3, HostedFlags.NewLines | HostedFlags.Packed | HostedFlags.Markers, sectors, GrainBytes / 512, 1, 20, 512, 0, 21, 128, 0, 1);
        byte[] start = new byte[GrainBytes];
        (footer ? header with { DirectoryAt = HostedHeader.AtEnd } : header).Write(start);
        Encoding.ASCII.GetBytes($"# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\nRW {sectors} SPARSE \"image\"\n").CopyTo(start, 512);
        start[21 * 512] = 22;
        image.Write(start);
        for (int at = 0; at < model.Length; at += GrainBytes)
        {
            WriteUInt32LittleEndian(start.AsSpan((22 * 512) + (at / GrainBytes * 4)), (uint)(image.Position / 512));
            WriteGrain(image, at / 512, model.AsSpan(at, Math.Min(GrainBytes, model.Length - at)));
        }
        byte[] end = new byte[3 * 512];
        header.Write(end.AsSpan(512));
        image.Write(footer ? end : []);
        image.Position = 0;
        image.Write(start);
        return image.ToArray();
    }

    private static void WriteGrain(MemoryStream image, int sector, ReadOnlySpan<byte> data)
    {
        using MemoryStream packed = new();
        using (ZLibStream stream = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            stream.Write(data);
        }
        byte[] marker = new byte[12];
        WriteUInt64LittleEndian(marker, (ulong)sector);
        WriteUInt32LittleEndian(marker.AsSpan(8), (uint)packed.Length);
        image.Write(marker);
        image.Write(packed.ToArray());
        image.SetLength((image.Length + 511) / 512 * 512);
        image.Position = image.Length;
    }

    private static byte[] SeSparse()
    {
        byte[] extent = new byte[SeGrainsAt + (3 * 4096)];
        foreach ((int at, ulong value) in ((int, ulong)[])
            [
                (0, 0xcafebabe), (8, 0x0000000200000001), (16, SeBytes / 512), (24, 8), (32, 64), (80, 1), (88, 1), (96, 2), (104, 1), (112, 2), (120, 1),
                (128, SeDirectoryAt / 512), (136, 1), (144, SeTableAt / 512), (152, 64), (160, 2), (168, 1), (176, 2), (184, 1), (192, SeGrainsAt / 512), (200, 24),
                (512, 0xcafecafe), (SeDirectoryAt, 0x1000000000000000),
                (SeTableAt, 0x3000000000000000), (SeTableAt + 8, 0x1000000000000000), (SeTableAt + 16, 0x2000000000000000), (SeTableAt + 40, 0x3001000000000000),
            ])
        {
            WriteUInt64LittleEndian(extent.AsSpan(at), value);
        }
        extent.AsSpan(SeGrainsAt, 4096).Fill(0x31);
        extent.AsSpan(SeGrainsAt + 4096, 4096).Fill(0x32);
        return extent;
    }

    private static MemoryFiles SeFiles(byte[] extent)
    {
        MemoryFiles files = Files(Encoding.ASCII.GetBytes(
            $"# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"seSparse\"\nRW {SeBytes / 512} SESPARSE \"extent\"\n"));
        files.Put("extent", extent);
        return files;
    }

    private static MemoryFiles Files(byte[] image)
    {
        MemoryFiles files = new();
        files.Put("image", image);
        return files;
    }

    private static IDiskImage Open(MemoryFiles files, bool writable = false) => new VmdkDriver().Open(files.Source("image"), new ImageOpenOptions(writable));

    private static IReadOnlyList<string> Errors(MemoryFiles files)
    {
        try
        {
            using IDiskImage image = Open(files);
            return image.Check().Errors;
        }
        catch (ImageFormatException e)
        {
            return [e.Message];
        }
    }

    private static void RequireReads(MemoryFiles files, byte[] model)
    {
        using ImageDisk disk = new(new ImageChain([Open(files)], writable: false));
        byte[] content = new byte[disk.Length];
        disk.Read(0, content);
        Assert.That(content.AsSpan().SequenceEqual(model), Is.True);
    }
}
