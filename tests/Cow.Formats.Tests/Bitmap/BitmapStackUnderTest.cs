// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Bitmap;

/// <summary>The bitmap on a device of its own, over two layers.</summary>
internal sealed class BitmapStackUnderTest : FormatUnderTest
{
    private const long MetadataSize = 4608;

    // Level 2, the overlay, comes first on the medium, as its metadata is what tests spoil.
    private static readonly int[] Positions = [1, 2, 0];

    public override string Name => "bitmap";

    public override uint ChunkSectors => 2;

    public override long MediumBytes => 3 * (MetadataSize + (long)DiskBytes);

    public override int MetadataBytes => (int)MetadataSize;

    public override FormatFiles FilesOn(IImageFile medium) => FilesOn(medium, 2);

    public override ulong[] InitialVersions() =>
        [.. Enumerable.Range(0, (int)DiskSectors).Select(s => s is >= 60 and < 180 ? 2UL : s is >= 20 and < 100 ? 1UL : 0UL)];

    public override void Prepare(IImageFile medium)
    {
        base.Prepare(medium);
        MakeLayer(FilesOn(medium, 0), 20, 100, 1);
        MakeLayer(FilesOn(medium, 1), 60, 180, 2);
    }

    private FormatFiles FilesOn(IImageFile medium, int level)
    {
        LayerFiles[] levels = [.. Positions.Select(i => LevelAt(medium, i * (MetadataSize + (long)DiskBytes)))];
        return new FormatFiles(levels[level].Store, levels[level].Metadata, levels[..level]);
    }

    private LayerFiles LevelAt(IImageFile medium, long start) =>
        new(new SliceFile(medium, start + MetadataSize, (long)DiskBytes), new SliceFile(medium, start, MetadataSize));

    private void MakeLayer(FormatFiles files, ulong first, ulong end, ulong version)
    {
        using ICowFormat layer = Driver.Create(files, new CreateOptions(DiskBytes, ChunkSectors));
        PlacedRun run;
        for (ulong chunk = first / ChunkSectors; chunk < end / ChunkSectors; chunk = run.Run.End)
        {
            run = layer.Allocate(new ChunkRun(chunk, (end / ChunkSectors) - chunk)).Placed;
            layer.Commit([run]);
        }
        for (ulong sector = first; sector < end; sector++)
        {
            files.Store.WriteAt(Stamp.Of(sector, version), (long)sector * 512);
        }
        layer.Flush();
    }
}
