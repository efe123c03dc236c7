// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>What a descriptor may say, and what not.</summary>
[TestFixture]
internal sealed class VmdkDescriptorTests
{
    private const string Good = "# Disk DescriptorFile\nversion=1\nCID=0000abcd\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\nRW 8 FLAT \"flat\" 0\n";

    [Test]
    public void ALineBehindABlankOneCountsOnce()
    {
        using IDiskImage image = Open(Good);
        Assert.That(image.Info.VirtualBytes, Is.EqualTo(4096));
        Assert.That(image.Info.Identity, Is.EqualTo("0000abcd"));
        Assert.That(image.Info.Backing, Is.Null);
    }

    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"/mem/flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"../mem/flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"..\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"nbd:localhost\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"json:{}\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"image\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT flat 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"flat\" -1")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"flat\" 1")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"flat\" 9223372036854775807")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW -8 FLAT \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 0 FLAT \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 9 FLAT \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 18446744073709551615 FLAT \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLATTER \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 VMFSRDM \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8")]
    [TestCase("RW 8 FLAT \"flat\" 0", "NOACCESS 8 FLAT \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"flat\" 0\nRW 8 FLAT \"flat\" 0")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"flat\" 0\nRW 8 SPARSE \"flat\"")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 SPARSE \"flat\"")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 ZERO")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 9007199254740992 ZERO\nRW 9007199254740992 ZERO")]
    [TestCase("monolithicFlat", "monolithicSparse")]
    [TestCase("monolithicFlat", "vmfsRaw")]
    [TestCase("createType=\"monolithicFlat\"\n", "")]
    [TestCase("parentCID=ffffffff", "parentCID=00000001")]
    [TestCase("parentCID=ffffffff", "parentCID=ffffffff\nparentFileNameHint=\"x\"")]
    [TestCase("CID=0000abcd", "CID=0000abcd\nCID=0000abce")]
    [TestCase("CID=0000abcd", "CID=xyz")]
    [TestCase("CID=0000abcd", "CID=0000abcd0")]
    public void ADescriptorThatCannotBeIsRefused(string part, string instead)
    {
        Assert.That(() => Open(Good.Replace(part, instead, StringComparison.Ordinal)).Dispose(), Throws.InstanceOf<ImageFormatException>());
    }

    [TestCase("flat", 4096, "flat")]
    [TestCase("parentCID=ffffffff", 4096, "parentCID=00000001\nparentFileNameHint=\"flat\"")]
    [TestCase("monolithicFlat", 4096, "flat")]
    public void ANameThatNoPathCanBeIsRefused(string part, int most, string instead)
    {
        foreach (int letters in (int[])[most + 1, 900_000])
        {
            string text = Good.Replace(part, instead.Replace("flat", new string('x', letters), StringComparison.Ordinal), StringComparison.Ordinal);
            ImageFormatException? e = Assert.Throws<ImageFormatException>(() => Open(text).Dispose());
            Assert.That(e!.Expected, Is.EqualTo("a name of 4096 bytes at most"));
        }
    }

    [Test]
    public void ANameMayBeAsLongAsAPath()
    {
        string hint = new('x', 4096);
        using IDiskImage image = Open(Good.Replace("parentCID=ffffffff", $"parentCID=00000001\nparentFileNameHint=\"{hint}\"", StringComparison.Ordinal));
        Assert.That(image.Info.Backing!.Names, Is.EqualTo(new[] { hint }));
    }

    [TestCase("RW 8 FLAT", "RDONLY 8 FLAT")]
    [TestCase("RW 8 FLAT \"flat\" 0", "RW 8 FLAT \"flat\" 0\nRW 8 ZERO")]
    [TestCase("createType", "changeTrackPath=\"image-ctk.vmdk\"\ncreateType")]
    [TestCase("CID=0000abcd\n", "")]
    public void WhatCannotBeWrittenIsRead(string part, string instead)
    {
        string text = Good.Replace(part, instead, StringComparison.Ordinal);
        using IDiskImage image = Open(text);
        Assert.That(image.Info.ReadOnlyReason, Is.Not.Empty);
        Assert.That(() => Open(text, writable: true).Dispose(), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void PartsOfOneFileAreSeveralExtents()
    {
        using IDiskImage image = Open(Good.Replace("RW 8 FLAT \"flat\" 0", "RW 4 FLAT \"flat\" 4\nRW 4 FLAT \"flat\" 0", StringComparison.Ordinal), writable: true);
        Assert.That(image.Info.Files, Has.Count.EqualTo(1));
        Assert.That(image.Info.ChunkSectors, Is.EqualTo(4));
        Assert.That(image.Lookup(0, 4096), Is.EqualTo(new ImageExtent(2048, ImageExtentKind.Data, 0, 2048)));
        Assert.That(image.Lookup(2048, 512), Is.EqualTo(new ImageExtent(512, ImageExtentKind.Data, 0, 0)));
    }

    /// <summary>A child made before must notice. The text keeps its length.</summary>
    [TestCase("CID=0000abcd")]
    [TestCase("CID = abcd")]
    [TestCase("CID=e")]
    public void WhoeverOpensItForWritingChangesTheContentId(string line)
    {
        string text = Good.Replace("CID=0000abcd", line, StringComparison.Ordinal);
        MemoryFiles files = Files(text);
        using (IDiskImage image = new VmdkDriver().Open(files.Source("image"), new ImageOpenOptions(true)))
        {
            image.Close();
        }
        string after = Encoding.ASCII.GetString(files.Bytes("image"));
        int at = text.IndexOf(line, StringComparison.Ordinal);
        Assert.That(after, Has.Length.EqualTo(text.Length).And.Not.EqualTo(text));
        Assert.That(after[..at] + after[(at + line.Length)..], Is.EqualTo(text[..at] + text[(at + line.Length)..]));
        Open(after).Dispose();
    }

    /// <summary>Its extents have no metadata that could be wrong.</summary>
    [Test]
    public void ARepairLeavesTheContentIdAlone()
    {
        MemoryFiles files = Files(Good);
        using (IDiskImage image = new VmdkDriver().Open(files.Source("image"), new ImageOpenOptions(true) { ForRepair = true }))
        {
            image.Close();
        }
        Assert.That(Encoding.ASCII.GetString(files.Bytes("image")), Is.EqualTo(Good));
    }

    [Test]
    public void AChildOfAParentThatWasWrittenIsRefused()
    {
        MemoryFiles files = new();
        VmdkDriver driver = new();
        ImageCreateOptions options = new(1 << 20, null, new Dictionary<string, string>());
        ImageStack.Create(files.New("base"), driver, options).Dispose();
        using (ImageChain chain = ImageStack.Create(files.New("image"), driver, options, files.Source("base"), new ImageStackOptions()))
        {
            chain.Close();
        }
        ImageStack.Open(files.Source("image"), new ImageStackOptions(true)).Dispose();
        ImageStack.Open(files.Source("base"), new ImageStackOptions(true)).Dispose();
        Assert.That(() => ImageStack.Open(files.Source("image"), new ImageStackOptions()), Throws.InstanceOf<ImageFormatException>());
    }

    private static MemoryFiles Files(string descriptor)
    {
        MemoryFiles files = new();
        files.Put("image", Encoding.ASCII.GetBytes(descriptor));
        files.Put("flat", new byte[4096]);
        return files;
    }

    private static IDiskImage Open(string descriptor, bool writable = false) =>
        new VmdkDriver().Open(Files(descriptor).Source("image"), new ImageOpenOptions(writable));
}
