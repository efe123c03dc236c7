// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Convert;

/// <summary>A new image of some format. Takes over the image.</summary>
internal sealed class ImageTarget : IConvertTarget
{
    /// <summary>Chunks that may be uncommitted: enough for long commits, few enough for what a format keeps of each.</summary>
    private const ulong MostUncommitted = 65536;

    private readonly IDiskImage _image;
    private readonly IPackingImage? _packing;
    private readonly ulong _bytes;
    private readonly int _chunkBytes;
    private readonly List<PlacedRun> _uncommitted = [];
    private ulong _chunks;

    /// <param name="image">The image, empty.</param>
    /// <param name="compress">Compress chunks; the image is an <see cref="IPackingImage"/>.</param>
    public ImageTarget(IDiskImage image, bool compress)
    {
        _image = image;
        _packing = compress ? (IPackingImage)image : null;
        _bytes = image.Info.VirtualBytes;
        _chunkBytes = checked((int)image.Info.ChunkSectors * 512);
        ChunkBytes = _packing?.PackBytes ?? _chunkBytes;
    }

    public int ChunkBytes { get; }

    public void Prepare(Slab slab)
    {
        slab.Runs.Clear();
        slab.Packed.Clear();
        ReadOnlySpan<byte> data = slab.Data;
        for (int start = 0; start < data.Length && NonZero.Next(data, ChunkBytes, ref start, out int length); start += length)
        {
            if (_packing is not null)
            {
                Pack(_packing, slab, start, length);
            }
            else
            {
                slab.Runs.Add(slab.Chunks(start, length, _chunkBytes));
            }
        }
    }

    public void Write(Slab slab)
    {
        if (_chunks >= MostUncommitted)
        {
            Commit();
        }

        foreach (PackedPart packed in slab.Packed)
        {
            _packing!.WritePacked(slab.Offset + (ulong)packed.Start, slab.Room.AsSpan(packed.Start, packed.Length));
        }

        foreach (ChunkRun run in slab.Runs)
        {
            Write(run, slab);
        }
    }

    public void Complete()
    {
        Commit();
        _image.Flush();
        _image.Close();
    }

    public void Dispose() => _image.Dispose();

    private void Write(ChunkRun run, Slab slab)
    {
        while (run.Count > 0)
        {
            PlacedRun placed;
            if (Fixed(run) is { } present)
            {
                placed = present;
            }
            else
            {
                placed = _image.Reserve(run, out _);
                Remember(placed.Run.Count > 0 ? placed : throw NoRoom());
            }

            Write(placed, slab);
            run = new ChunkRun(placed.Run.End, run.End - placed.Run.End);
        }
    }

    /// <summary>Where chunks lie that have a place from the start, as in flat and fixed images.</summary>
    private PlacedRun? Fixed(ChunkRun run)
    {
        ulong start = run.Chunk * (ulong)_chunkBytes;
        ImageExtent held = _image.Lookup(start, Math.Min(run.Count * (ulong)_chunkBytes, _bytes - start));
        if (held.Kind != ImageExtentKind.Data)
        {
            return null;
        }

        ulong chunks = (held.Length + (ulong)_chunkBytes - 1) / (ulong)_chunkBytes;
        return new PlacedRun(run with { Count = Math.Min(chunks, run.Count) }, new Place(held.File, (ulong)held.Offset / 512));
    }

    private CliException NoRoom() => new(ExitCode.NoSpace, _image.Info.Paths[0], "is too small for the disk", "take a larger device, or a file");

    private void Remember(PlacedRun placed)
    {
        _chunks += placed.Run.Count;
        if (_uncommitted is [.., PlacedRun last] && last.Run.End == placed.Run.Chunk && last.Place.Device == placed.Place.Device
            && last.Place.Sector + (last.Run.Count * _image.Info.ChunkSectors) == placed.Place.Sector)
        {
            _uncommitted[^1] = last with { Run = last.Run with { Count = last.Run.Count + placed.Run.Count } };
            return;
        }

        _uncommitted.Add(placed);
    }

    private void Commit()
    {
        _image.Commit(CollectionsMarshal.AsSpan(_uncommitted));
        _uncommitted.Clear();
        _chunks = 0;
    }

    private void Write(PlacedRun placed, Slab slab)
    {
        IImageFile file = _image.Info.Files[placed.Place.Device];
        IImageFile direct = file is CachedFile cached ? cached.Uncached : file;
        direct.WriteAt(slab.DataOf(placed.Run, _chunkBytes), checked((long)placed.Place.Sector * 512));
    }

    /// <summary>Compresses a part of a slab; what gets no smaller goes to places as it is.</summary>
    private void Pack(IPackingImage packing, Slab slab, int start, int length)
    {
        int unit = packing.PackBytes;
        for (int at = start; at < start + length; at += unit)
        {
            int packed = packing.Pack(slab.Buffer.AsSpan(at, unit), slab.Room.AsSpan(at, unit));
            if (packed > 0)
            {
                slab.Packed.Add(new PackedPart(at, packed));
            }
            else
            {
                slab.Runs.Add(slab.Chunks(at, Math.Min(unit, slab.Length - at), _chunkBytes));
            }
        }
    }
}
