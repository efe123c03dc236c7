// SPDX-License-Identifier: MIT
using Cow.Formats;
using Cow.Formats.Io;

namespace Cow.Controller.Daemon;

/// <summary>
/// Blocks for the metadata that a store has when it is opened: in a sparse file much of it may be a hole, and a commit that finds no room there fails, and ends all
/// writing. What commits write for the first time is seen to with each place.
/// </summary>
internal static class MetadataBlocks
{
    /// <summary>Ranges at most, since each takes a call. Those of an image with clusters of 64 KiB map 32 TiB, wherever they lie.</summary>
    private const int MostRanges = 1 << 16;

    /// <summary>Bytes at most, which is as much: more metadata than that is nearly all hole, and whoever made it may mean harm.</summary>
    private const long MostBytes = 4L << 30;

    /// <summary>Gives blocks to what there is of it in one file. Changes nothing that has them.</summary>
    /// <param name="format">The store.</param>
    /// <param name="file">One of its files.</param>
    /// <param name="device">The number of that among the devices of the store.</param>
    /// <param name="space">Room in its devices.</param>
    /// <returns>False where not all of it has blocks now.</returns>
    public static bool Ensure(ICowFormat format, IImageFile file, int device, ISpaceKeeper space)
    {
        if (space.HasAll)
        {
            return true;
        }

        // A file grows when somebody needs it longer, not before, and its loop device has whole sectors.
        long end = file.Length / ChunkGeometry.SectorBytes * ChunkGeometry.SectorBytes;
        long bytes = 0;
        int ranges = 0;
        foreach (ByteRange range in format.MetadataIn(file))
        {
            long length = Math.Max(0, Math.Min(range.Length, end - range.Offset));
            bytes += length;
            ranges++;
            if (bytes > MostBytes || ranges > MostRanges || !Try(space, device, range with { Length = length }))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whatever is wrong with the file: the next one to write it will say so.</summary>
    private static bool Try(ISpaceKeeper space, int device, ByteRange bytes)
    {
        try
        {
            return space.Ensure(device, bytes);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
