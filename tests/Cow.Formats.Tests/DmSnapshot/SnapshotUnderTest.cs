// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>dm-snapshot's own format.</summary>
internal sealed class SnapshotUnderTest(uint chunkSectors) : FormatUnderTest
{
    public override string Name => "snapshot";

    public override uint ChunkSectors => chunkSectors;

    // Room for a rewrite of all 200 chunks and for places lost to Abandon; an odd end.
    public override long MediumBytes => (240 * ChunkSectors * 512) + 700;

    public override int MetadataBytes => (int)ChunkSectors * 1024;
}
