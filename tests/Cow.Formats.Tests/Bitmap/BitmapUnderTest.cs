// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Bitmap;

/// <summary>Bitmap and data on one device.</summary>
internal sealed class BitmapUnderTest : FormatUnderTest
{
    public override string Name => "bitmap";

    public override uint ChunkSectors => 2;

    // More than one sector of bitmap would make every history long; BitmapTests has a store with several.
    public override long MediumBytes => 8192 + (long)DiskBytes;

    public override int MetadataBytes => 4608;
}
