// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow;

namespace Cow.Formats.Tests.Images.Qcow;

[TestFixture]
internal sealed class QcowGrantsTests : ImageGrantsContract
{
    protected override IImageDriver Driver { get; } = new QcowDriver();

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", 5 << 20),
        new("", (3 << 20) + 1536),
        new("cluster_size=64K", 3 << 20),
        new("cluster_size=4K", 3 << 20, 2 << 20),
    ];

    /// <summary>As QEMU makes them: a table is longer than a cluster.</summary>
    [Test]
    public void ClustersOfOneSectorAreNotReservedAhead()
    {
        using ImageDisk disk = NewDisk(new MemoryFiles(), new ImageVariant("cluster_size=512", 1 << 20, 1 << 20));
        Assert.That(disk.Chain.Grants, Is.False);
    }
}
