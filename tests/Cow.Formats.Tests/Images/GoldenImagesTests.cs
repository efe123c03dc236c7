// SPDX-License-Identifier: MIT
using System.Security.Cryptography;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Images that other programs wrote, and what several readers agree that they hold.</summary>
[TestFixture]
internal sealed class GoldenImagesTests
{
    private const int Piece = 1 << 20;

    private static readonly byte[] Zeros = new byte[Piece];

    /// <summary>Images beside a raw file with what they hold.</summary>
    private static readonly (string Image, string Raw)[] Pairs =
    [
        ("vhd/xen-chain/base.vhd", "base.raw"),
        ("vhd/xen-chain/mid.vhd", "mid.raw"),
        ("vhd/xen-chain/leaf.vhd", "leaf.raw"),
        ("vmdk/cowd/child.vmdk", "expected.raw"),
    ];

    private static IEnumerable<TestCaseData> Hashes() =>
        CasesOr(TestImages.Table("golden.tsv").Select(row => Case("ReadsToItsHash", row[0], ulong.Parse(row[1]), row[2])), "ReadsToItsHash", 0UL, "");

    private static IEnumerable<TestCaseData> RawTwins() =>
        CasesOr(Pairs.Where(p => TestImages.Table("golden.tsv").Any()).Select(p => Case("ReadsAsItsRawTwin", p.Image, p.Raw)), "ReadsAsItsRawTwin", "");

    [TestCaseSource(nameof(Hashes))]
    public void ReadsToItsHash(string path, ulong bytes, string hash)
    {
        using ScratchFolder folder = Unpacked(path);
        if (path == "qcow2/data-file.qcow2")
        {
            CopyOut(folder, "basic.qcow2", "data-file.bin");
        }
        // What a dirty log holds is read where the image may be written.
        using Opened opened = Open(folder, path, writable: path.Contains("dirtylog", StringComparison.Ordinal));
        Assert.That(opened.Chain.Info.VirtualSize, Is.EqualTo(bytes));
        Assert.That(opened.Chain.Check().Errors, Is.Empty);
        Assert.That(HashOf(opened.Chain), Is.EqualTo(hash));
    }

    [TestCaseSource(nameof(RawTwins))]
    public void ReadsAsItsRawTwin(string path, string raw)
    {
        using ScratchFolder folder = Unpacked(path);
        using Opened opened = Open(folder, path, writable: false);
        byte[] content = new byte[opened.Chain.Info.VirtualSize!.Value];
        opened.Chain.ReadAt(0, content);
        Assert.That(content.AsSpan().SequenceEqual(File.ReadAllBytes(folder.File(raw))), Is.True);
        Assert.That(opened.Chain.Check().Errors, Is.Empty);
    }

    /// <summary>Readers disagree: QEMU takes the CHS geometry of some creators for the size. The current size of the footer is right.</summary>
    [TestCase("vhd/vbox.vhd", 41_943_040UL, 41_909_760UL)]
    public void HasTheSizeOfItsFooter(string path, ulong bytes, ulong byGeometry)
    {
        using ScratchFolder folder = Unpacked(path);
        using (Opened opened = Open(folder, path, writable: false))
        {
            Assert.That(opened.Chain.Info.VirtualSize, Is.EqualTo(bytes));
        }
        using Opened asQemu = Open(folder, path, writable: false, sizeByGeometry: true);
        Assert.That(asQemu.Chain.Info.VirtualSize, Is.EqualTo(byGeometry));
    }

    private static IEnumerable<TestCaseData> CasesOr(IEnumerable<TestCaseData> cases, string name, params object[] rest) =>
        cases.DefaultIfEmpty(new TestCaseData(["", .. rest]) { TestName = $"{name}(no images)" });

    private static TestCaseData Case(string name, string path, params object[] rest) => new([path, .. rest]) { TestName = $"{name}({path})" };

    private static ScratchFolder Unpacked(string path)
    {
        string from = TestImages.Folder(Path.GetDirectoryName(path) ?? "");
        ScratchFolder folder = new();
        folder.Unpack(from);
        return folder;
    }

    private static Opened Open(ScratchFolder folder, string path, bool writable, bool sizeByGeometry = false)
    {
        DirectoryOpener opener = new(new MetadataCache(), []);
        OpenedFile file = opener.OpenGiven(folder.File(Path.GetFileName(path)), writable);
        ImageSource source = new(file.File, file.Path, opener);
        return new Opened(ImageStack.Open(source, new ImageStackOptions(writable) { SizeByGeometry = sizeByGeometry }), opener);
    }

    private static void CopyOut(ScratchFolder folder, string image, string raw)
    {
        using Opened opened = Open(folder, image, writable: false);
        using FileStream file = File.Create(folder.File(raw));
        file.SetLength((long)opened.Chain.Info.VirtualSize!.Value);
        ForEachPiece(opened.Chain, (offset, data, isZero) =>
        {
            if (!isZero)
            {
                file.Position = (long)offset;
                file.Write(data);
            }
        });
    }

    private static string HashOf(ImageChain chain)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        ForEachPiece(chain, (_, data, _) => hash.AppendData(data));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void ForEachPiece(ImageChain chain, Action<ulong, ReadOnlySpan<byte>, bool> action)
    {
        byte[] buffer = new byte[Piece];
        for (ulong offset = 0; offset < chain.Info.VirtualSize!.Value;)
        {
            ImageExtent extent = chain.Find(offset, Piece, out _);
            bool isZero = extent.Kind == ImageExtentKind.Zero;
            Span<byte> data = (isZero ? Zeros : buffer).AsSpan(0, (int)extent.Length);
            if (!isZero)
            {
                chain.ReadAt(offset, data);
            }
            action(offset, data, isZero);
            offset += extent.Length;
        }
    }

    private sealed record Opened(ImageChain Chain, DirectoryOpener Opener) : IDisposable
    {
        public void Dispose()
        {
            Chain.Dispose();
            Opener.Dispose();
        }
    }
}
