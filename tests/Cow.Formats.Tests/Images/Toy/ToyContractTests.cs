// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images.Toy;

/// <summary>The contract holds for a format that does all right.</summary>
[TestFixture(ToyFault.None)]
internal sealed class ToyContractTests(ToyFault fault) : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new ToyDriver(fault);

    protected override string? QemuFormat => null;

    protected override bool CutsTail => false;

    // Enough that of the few which are compared as a whole some are spoilt where only that shows.
    protected override int Mutants => 8000;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", 3 << 20),
        new("", (1 << 20) + 1536),
        new("", 1 << 20, 700 * 512),
        new("", 1 << 20, 2 << 20),
    ];
}
