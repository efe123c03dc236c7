// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>The contract, with areas of one sector (32 entries) and of several.</summary>
[TestFixture(1u)]
[TestFixture(4u)]
internal sealed class DmSnapshotContractTests(uint chunkSectors) : CowFormatContract
{
    protected override FormatUnderTest Format { get; } = new Snapshot(chunkSectors);

    private sealed class Snapshot(uint chunkSectors) : FormatUnderTest
    {
        public override string Name => "snapshot";

        public override uint ChunkSectors => chunkSectors;

        // Room for a rewrite of all 200 chunks and for places lost to Abandon; an odd end.
        public override long MediumBytes => (240 * ChunkSectors * 512) + 700;

        public override int MetadataBytes => (int)ChunkSectors * 1024;
    }
}
