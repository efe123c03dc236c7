// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhd;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>Differencing VHDs. QEMU is no judge of them: it reads them without parent and bitmaps.</summary>
[TestFixture]
internal sealed class VhdChildContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new VhdDriver();

    protected override int FixturesOfFormat => 2;

    protected override string? QemuFormat => null;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", (3 << 20) + 512, (3 << 20) + 512, "vhd"),
        new("block_size=64K", (1 << 20) + 512, 700 << 10, "vhd"),
        new("block_size=4K", 300 << 10, 200_704),
        new("block_size=4M", 9 << 20, 5 << 20),
    ];

    protected override void FixChecksums(MemoryFiles mutant)
    {
        foreach ((string _, IImageFile file) in mutant.All)
        {
            VhdSums.Fix(file);
        }
    }
}
