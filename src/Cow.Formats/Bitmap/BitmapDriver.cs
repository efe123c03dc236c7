// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Bitmap;

/// <summary>Makes and opens bitmap overlays.</summary>
internal sealed class BitmapDriver : IFormatDriver
{
    public const string FormatName = "bitmap";

    /// <summary>Sectors in a chunk at most: 1 GiB.</summary>
    public const uint ChunkLimit = 1 << 21;

    /// <summary>Chunks of a disk at most: an open store keeps a few bits for each.</summary>
    public const ulong MaxChunks = 1 << 28;

    /// <summary>Layers at most: a chunk's owner is a byte, of which base and overlay take one value each.</summary>
    public const int MaxLayers = 254;

    public string Name => FormatName;

    public uint DefaultChunkSectors => 128;

    public uint MinChunkSectors => 1;

    public uint MaxChunkSectors => ChunkLimit;

    public bool Probe(IImageFile store)
    {
        ArgumentNullException.ThrowIfNull(store);
        byte[] sector = new byte[BitmapHeader.Size];
        if (store.Length < sector.Length)
        {
            return false;
        }
        store.ReadAt(sector, 0);
        return BitmapHeader.HasMagic(sector);
    }

    public ICowFormat Create(FormatFiles files, CreateOptions options)
    {
        RequireFiles(files);
        BitmapHeader header = HeaderOf(options, files.Metadata is not null) with { Generation = (ulong)files.Layers.Count + 1 };
        if (files.Layers is [.., LayerFiles top])
        {
            ChunkOwners? owners = null;
            header = header with { Below = BitmapFile.Open(top.Store, top.Metadata, ref owners, 1, 1).Fingerprint };
        }
        BitmapFile.Create(files.Store, files.Metadata, header);
        return new BitmapOverlay(files, new OpenOptions(options.VirtualSizeBytes, options.ChunkSectors, ReadOnly: false));
    }

    public ICowFormat Open(FormatFiles files, OpenOptions options)
    {
        RequireFiles(files);
        ArgumentNullException.ThrowIfNull(options);
        return new BitmapOverlay(files, options);
    }

    public SpaceEstimate Estimate(CreateOptions options)
    {
        BitmapHeader header = HeaderOf(options, ownDevice: false);
        return new SpaceEstimate(BitmapHeader.BitmapAt + header.BitmapBytes, header.DataOffset + header.VirtualSize);
    }

    private BitmapHeader HeaderOf(CreateOptions options, bool ownDevice)
    {
        CreateOptionsCheck.Require(options, this);
        BitmapHeader header = new(BitmapHeader.KnownVersion, 0, options.ChunkSectors, options.VirtualSizeBytes, 0, 1, 0);
        if (header.Chunks > MaxChunks)
        {
            throw new ArgumentException($"a disk of {header.Chunks} chunks; a bitmap store takes {MaxChunks} at most: use larger chunks", nameof(options));
        }
        ulong chunk = Math.Max(options.ChunkSectors * 512UL, BitmapHeader.BitmapAt);
        ulong end = BitmapHeader.BitmapAt + header.BitmapBytes;
        return ownDevice ? header : header with { DataOffset = (end + chunk - 1) / chunk * chunk };
    }

    private static void RequireFiles(FormatFiles files)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Layers.Count > MaxLayers)
        {
            throw new ArgumentException($"{files.Layers.Count} layers; {MaxLayers} at most", nameof(files));
        }
    }
}
