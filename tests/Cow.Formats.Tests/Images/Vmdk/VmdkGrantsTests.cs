// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;

namespace Cow.Formats.Tests.Images.Vmdk;

[TestFixture]
internal sealed class VmdkGrantsTests : ImageGrantsContract
{
    protected override IImageDriver Driver { get; } = new VmdkDriver();

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", 5 << 20),
        new("subformat=monolithicSparse", (34 << 20) + 1536),
        new("zeroed_grain=on", 3 << 20),
        new("", 4 << 20, 3 << 20, "vmdk"),
    ];

    /// <summary>A place in one of several extents is only for its chunks; in a COWD a table is longer than a chunk.</summary>
    [Test]
    public void OtherKindsReserveNothingAhead([Values("twoGbMaxExtentSparse", "monolithicFlat", "vmfsSparse")] string kind)
    {
        using ImageDisk disk = NewDisk(new MemoryFiles(), new ImageVariant($"subformat={kind}", kind == "twoGbMaxExtentSparse" ? 3UL << 30 : 5 << 20));
        Assert.That(disk.Chain.Grants, Is.False);
    }
}
