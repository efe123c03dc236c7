// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>What was reserved ahead, with areas of one sector (32 entries) and of several.</summary>
[TestFixture(1u)]
[TestFixture(4u)]
internal sealed class DmSnapshotGrantsTests(uint chunkSectors) : CowGrantsContract
{
    protected override FormatUnderTest Format { get; } = new SnapshotUnderTest(chunkSectors);
}
