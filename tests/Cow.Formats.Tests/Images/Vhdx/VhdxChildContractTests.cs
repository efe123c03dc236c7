// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhdx;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images.Vhdx;

/// <summary>Differencing VHDXs, which QEMU refuses.</summary>
[TestFixture]
internal sealed class VhdxChildContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new VhdxDriver();

    protected override int FixturesOfFormat => 2;

    protected override string? QemuFormat => null;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("block_size=1M", (3 << 20) + 512, (3 << 20) + 512, "vhdx"),
        new("", 5 << 20, (3 << 20) + 1024, "vhdx"),
    ];

    protected override void FixChecksums(MemoryFiles mutant)
    {
        foreach ((string _, IImageFile file) in mutant.All)
        {
            VhdxSums.Fix(file);
        }
    }
}
