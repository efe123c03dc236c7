// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>What holds for every format; and once more with places from pools, in the variants that have one extent.</summary>
[TestFixture(false)]
[TestFixture(true)]
internal sealed class VmdkContractTests(bool pooled) : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = pooled ? new PoolTakingDriver(new VmdkDriver()) : new VmdkDriver();

    protected override int FixturesOfFormat => 3;

    // Where the places come from makes no difference to what is read.
    protected override int Mutants => pooled ? 100 : base.Mutants;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", 5 << 20),
        new("subformat=monolithicSparse", (34 << 20) + 1536),
        new("subformat=twoGbMaxExtentSparse", 3 << 20),
        new("", 4 << 20, 3 << 20, "vmdk"),
    ];
}

/// <summary>Grains of zeros: QEMU forgets the place of a grain that it zeroes, so that a check finds lost space in what it wrote.</summary>
[TestFixture]
internal sealed class VmdkZeroedContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new VmdkDriver();

    protected override int FixturesOfFormat => 3;

    protected override string? QemuFormat => null;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("zeroed_grain=on", 3 << 20),
        new("zeroed_grain=on", 4 << 20, 3 << 20, "vmdk"),
    ];
}

/// <summary>Extents of ESX, with grains of one sector, and without tables at first. QEMU does not make them.</summary>
[TestFixture]
internal sealed class CowdContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new VmdkDriver();

    protected override int FixturesOfFormat => 3;

    protected override string? QemuFormat => null;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("subformat=vmfsSparse", 5 << 20),
        new("subformat=vmfsSparse", 4 << 20, 3 << 20, "vmdk"),
    ];
}
