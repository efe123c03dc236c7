// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>The contract, with areas of one sector (32 entries) and of several.</summary>
[TestFixture(1u)]
[TestFixture(4u)]
internal sealed class DmSnapshotContractTests(uint chunkSectors) : CowFormatContract
{
    protected override FormatUnderTest Format { get; } = new SnapshotUnderTest(chunkSectors);
}
