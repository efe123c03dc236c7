// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhd;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>Dynamic VHDs, which QEMU reads and writes too (it ignores their bitmaps).</summary>
[TestFixture]
internal sealed class VhdContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new VhdDriver();

    protected override int FixturesOfFormat => 2;

    protected override string? QemuFormat => "vpc";

    protected override bool QemuChecks => false;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", (5 << 20) + 1536) { QemuSettings = "subformat=dynamic,force_size=on" },
        new("block_size=64K", (1 << 20) + 512) { QemuSettings = null },
        new("block_size=4K", 300 << 10) { QemuSettings = null },
        new("block_size=4M", 9 << 20) { QemuSettings = null },
    ];

    protected override void FixChecksums(MemoryFiles mutant)
    {
        foreach ((string _, IImageFile file) in mutant.All)
        {
            VhdSums.Fix(file);
        }
    }
}
