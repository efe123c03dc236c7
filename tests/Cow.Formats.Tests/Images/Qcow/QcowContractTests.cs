// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow;

namespace Cow.Formats.Tests.Images.Qcow;

/// <summary>What holds for every format; and once more with places from pools, in the variants whose tables are no longer than a cluster.</summary>
[TestFixture(false)]
[TestFixture(true)]
internal sealed class QcowContractTests(bool pooled) : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = pooled ? new PoolTakingDriver(new QcowDriver()) : new QcowDriver();

    protected override int FixturesOfFormat => 2;

    // Where the places come from makes no difference to what is read.
    protected override int Mutants => pooled ? 100 : base.Mutants;

    protected override bool QemuChecks => false;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", 5 << 20),
        new("", (3 << 20) + 1536),
        new("cluster_size=64K", 3 << 20) { QemuSettings = null },
        new("cluster_size=512", 5 << 20) { QemuSettings = null },
        new("", 4 << 20, 3 << 20),
        new("", 1 << 20, 700 * 512, "qcow"),
    ];

    protected override IEnumerable<MutantSeed> FurtherSeeds => [CompressedQcow.Seed(Image)];
}

/// <summary>Clusters larger than a sector over a backing image, which QEMU does not fill from below when it writes a part: we do.</summary>
[TestFixture]
internal sealed class QcowCopyingContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new QcowDriver();

    protected override int FixturesOfFormat => 2;

    /// <summary>It reads these images right, but writes them wrong.</summary>
    protected override string? QemuFormat => null;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("cluster_size=4K", 3 << 20, 2 << 20),
        new("cluster_size=64K", (1 << 20) + 512, 2 << 20, "qcow"),
    ];
}
