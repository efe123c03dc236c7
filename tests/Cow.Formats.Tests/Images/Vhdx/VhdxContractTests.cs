// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhdx;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images.Vhdx;

/// <summary>Dynamic VHDXs, which QEMU reads, writes and checks too.</summary>
[TestFixture]
internal sealed class VhdxContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new VhdxDriver();

    protected override int FixturesOfFormat => 2;

    /// <remarks>What a crash leaves has a log, and qemu-img check, which reads only, refuses that.</remarks>
    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("block_size=1M", (3 << 20) + 1536) { SoundBeforeRepair = false },
        new("block_size=2M,subformat=dynamic", 5 << 20) { SoundBeforeRepair = false },
        new("block_size=4M,log_size=2M", 6 << 20) { SoundBeforeRepair = false },
    ];

    protected override void FixChecksums(MemoryFiles mutant)
    {
        foreach ((string _, IImageFile file) in mutant.All)
        {
            VhdxSums.Fix(file);
        }
    }
}
