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

    private readonly Lock _gate = new();
    private readonly IDiskImage _image;
    private readonly IPackingImage? _packing;
    private readonly ulong _bytes;
    private readonly int _chunkBytes;

    // Guarded by _gate: the image and all that follows.
    private readonly List<PlacedRun> _uncommitted = [];
    private readonly ManualResetEventSlim _idle = new(initialState: true);
    private ulong _chunks;
    private int _writing;

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
        slab.Places.Clear();
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
                slab.Runs.Add(Chunks(slab.Offset + (ulong)start, length));
            }
        }
    }

    public void Place(Slab slab)
    {
        CommitIfMany();
        lock (_gate)
        {
            foreach (PackedPart packed in slab.Packed)
            {
                _packing!.WritePacked(slab.Offset + (ulong)packed.Start, slab.Room.AsSpan(packed.Start, packed.Length));
            }

            foreach (ChunkRun run in slab.Runs)
            {
                Place(run, slab.Places);
            }

            Begin();
        }
    }

    public void Write(Slab slab)
    {
        try
        {
            foreach (PlacedRun placed in slab.Places)
            {
                Write(placed, slab);
            }
        }
        finally
        {
            End();
        }
    }

    public void Complete()
    {
        Commit();
        _image.Flush();
        _image.Close();
    }

    public void Dispose()
    {
        _image.Dispose();
        _idle.Dispose();
    }

    private void Place(ChunkRun run, List<PlacedRun> places)
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

            places.Add(placed);
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

    /// <summary>Waits until what has places is written, which is not long, and names the places.</summary>
    private void CommitIfMany()
    {
        if (_chunks < MostUncommitted)
        {
            return;
        }

        // Nobody gets places meanwhile: this is the turn of one slab.
        _idle.Wait();
        lock (_gate)
        {
            Commit();
        }
    }

    private void Begin()
    {
        _writing++;
        _idle.Reset();
    }

    private void End()
    {
        lock (_gate)
        {
            if (--_writing == 0)
            {
                _idle.Set();
            }
        }
    }

    private void Write(PlacedRun placed, Slab slab)
    {
        ulong start = placed.Run.Chunk * (ulong)_chunkBytes;
        ulong end = Math.Min(placed.Run.End * (ulong)_chunkBytes, _bytes);
        IImageFile file = _image.Info.Files[placed.Place.Device];
        IImageFile direct = file is CachedFile cached ? cached.Uncached : file;
        direct.WriteAt(slab.Buffer.AsSpan((int)(start - slab.Offset), (int)(end - start)), checked((long)placed.Place.Sector * 512));
    }

    /// <summary>The chunks of a part of the disk.</summary>
    private ChunkRun Chunks(ulong offset, int length) => new(offset / (ulong)_chunkBytes, (ulong)((length + _chunkBytes - 1) / _chunkBytes));

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
                slab.Runs.Add(Chunks(slab.Offset + (ulong)at, Math.Min(unit, slab.Length - at)));
            }
        }
    }
}
