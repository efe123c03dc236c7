// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Images;

/// <summary>Goes over the extents of a chain, from the start of its disk to the end.</summary>
/// <remarks>Not thread-safe, as the chain is.</remarks>
internal sealed class MapWalker
{
    private readonly ImageChain _chain;
    private readonly IDiskImage[] _images;
    private readonly PlainFile?[] _holed;
    private readonly (long Start, long End, bool Data)[] _runs;
    private readonly ulong _bytes;

    public MapWalker(ImageChain chain)
    {
        _chain = chain;
        _images = [.. chain.Images];
        // As qemu-img's map: only where the file is the disk are its holes told. Everywhere else there is metadata for that.
        _holed = [.. _images.Select(static image => image.Info.Format == "raw" ? Plain(image.Info.Files[0]) : null)];
        _runs = new (long, long, bool)[_images.Length];
        _bytes = _images[0].Info.VirtualBytes;
    }

    /// <summary>All extents, joined where they are joined on the disk and in their file.</summary>
    public IEnumerable<MapEntry> Entries()
    {
        MapEntry last = default;
        for (ulong at = 0; at < _bytes;)
        {
            MapEntry next = Find(at, _bytes - at);
            at += next.Length;
            if (last.Length > 0 && last.Continues(next))
            {
                last = last with { Length = last.Length + next.Length };
                continue;
            }

            if (last.Length > 0)
            {
                yield return last;
            }

            last = next;
        }

        if (last.Length > 0)
        {
            yield return last;
        }
    }

    /// <summary>The extent at an offset, as far as is cheap to tell.</summary>
    /// <param name="offset">Byte offset on the disk; a multiple of 512.</param>
    /// <param name="length">Bytes of interest; a multiple of 512, inside the disk.</param>
    public MapEntry Find(ulong offset, ulong length)
    {
        ImageExtent extent = _chain.Find(offset, length, out int depth);
        return depth < _images.Length
            ? Entry(offset, extent, depth)
            : new MapEntry(offset, extent.Length, LastThatReaches(offset), Present: false, Zero: true, Data: false, Compressed: false, File: -1, Offset: 0);
    }

    /// <summary>Where nobody has anything, the last image that reaches so far answers, as QEMU has it.</summary>
    private int LastThatReaches(ulong offset)
    {
        int depth = 0;
        while (depth + 1 < _images.Length && offset < _images[depth + 1].Info.VirtualBytes)
        {
            depth++;
        }

        return depth;
    }

    private MapEntry Entry(ulong offset, ImageExtent extent, int depth) => extent.Kind switch
    {
        ImageExtentKind.Zero => new MapEntry(offset, extent.Length, depth, true, Zero: true, Data: false, Compressed: false, File: -1, Offset: 0),
        ImageExtentKind.Packed => _holed[depth] is { } raw
            ? OddEnd(offset, extent, depth, raw)
            : new MapEntry(offset, extent.Length, depth, true, Zero: false, Data: true, Compressed: true, File: -1, Offset: 0),
        _ => DataEntry(offset, extent, depth),
    };

    /// <summary>The last sector of a raw file that ends within it.</summary>
    private static MapEntry OddEnd(ulong offset, ImageExtent extent, int depth, PlainFile file)
    {
        file.RunAt((long)offset, file.Length - (long)offset, out bool data);
        return new MapEntry(offset, extent.Length, depth, true, Zero: !data, Data: data, Compressed: false, File: 0, Offset: (long)offset);
    }

    private MapEntry DataEntry(ulong offset, ImageExtent extent, int depth)
    {
        bool data = true;
        long length = (long)extent.Length;
        if (_holed[depth] is { } file)
        {
            // Some file systems look at every page of a run to find its end: asked for once, and not by each part of it.
            ref (long Start, long End, bool Data) run = ref _runs[depth];
            if (extent.Offset < run.Start || extent.Offset >= run.End)
            {
                long found = file.RunAt(extent.Offset, file.Length - extent.Offset, out data);
                run = (extent.Offset, extent.Offset + found, data);
            }

            (length, data) = (Math.Min(length, run.End - extent.Offset), run.Data);
        }

        return new MapEntry(offset, (ulong)length, depth, true, Zero: !data, Data: data, Compressed: false, extent.File, extent.Offset);
    }

    private static PlainFile? Plain(IImageFile file) => (file is CachedFile cached ? cached.Uncached : file) as PlainFile;
}
