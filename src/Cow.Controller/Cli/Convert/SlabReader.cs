// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Images;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Convert;

/// <summary>Reads a disk for one thread, through images of its own: formats are not thread-safe.</summary>
/// <param name="chain">The images.</param>
internal sealed class SlabReader(ImageChain chain)
{
    private readonly MapWalker _walker = new(chain);

    /// <summary>The first byte from <paramref name="offset"/> on that may be something else than zero; null where there is none.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="stop">Ends it early: a disk may have any number of extents of zeros.</param>
    public ulong? NextData(ulong offset, CancellationToken stop)
    {
        ulong bytes = chain.Images[0].Info.VirtualBytes;
        while (offset < bytes)
        {
            stop.ThrowIfCancellationRequested();
            MapEntry entry = _walker.Find(offset, bytes - offset);
            ulong empty = entry.Zero ? entry.Length : HoleAt(entry);
            if (empty == 0)
            {
                return offset;
            }

            offset += empty;
        }

        return null;
    }

    /// <summary>Fills a slab.</summary>
    public void Read(Slab slab)
    {
        slab.Buffer.AsSpan(slab.Length).Clear();
        for (int at = 0; at < slab.Length;)
        {
            MapEntry entry = _walker.Find(slab.Offset + (ulong)at, (ulong)(slab.Length - at));
            Span<byte> part = slab.Buffer.AsSpan(at, (int)entry.Length);
            if (entry.Compressed)
            {
                chain.Images[entry.Depth].ReadPacked(entry.Start, part);
            }
            else if (entry.Data)
            {
                Read(chain.Images[entry.Depth].Info.Files[entry.File], entry.Offset, part);
            }
            else
            {
                part.Clear();
            }

            at += part.Length;
        }
    }

    /// <summary>How much of the start of an extent is a hole of its file: an image may have places for all of its disk, and nothing in them.</summary>
    private ulong HoleAt(MapEntry entry)
    {
        IImageFile? file = entry.Data && !entry.Compressed ? chain.Images[entry.Depth].Info.Files[entry.File] : null;
        // Whole sectors, as the next question is to begin with one.
        long hole = file is not null && entry.Offset < file.Length ? (file.NextData(entry.Offset) - entry.Offset) & -512 : 0;
        return Math.Min((ulong)hole, entry.Length);
    }

    /// <summary>Past the metadata cache; zeros behind the end.</summary>
    private static void Read(IImageFile file, long offset, Span<byte> data)
    {
        IImageFile direct = file is CachedFile cached ? cached.Uncached : file;
        int present = (int)Math.Clamp(direct.Length - offset, 0, data.Length);
        direct.ReadAt(data[..present], offset);
        data[present..].Clear();
    }
}
