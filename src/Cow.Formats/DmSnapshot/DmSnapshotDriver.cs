// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.DmSnapshot;

/// <summary>Makes and opens dm-snapshot's persistent exception stores.</summary>
internal sealed class DmSnapshotDriver : IFormatDriver
{
    public const string FormatName = "snapshot";

    private const int SectorBytes = 512;

    public string Name => FormatName;

    public uint DefaultChunkSectors => 128;

    public uint MinChunkSectors => 1;

    public uint MaxChunkSectors => DmSnapshotHeader.MaxChunkSectors;

    public bool Probe(IImageFile store)
    {
        ArgumentNullException.ThrowIfNull(store);
        return store.Length >= SectorBytes && ReadHeader(store).Magic == DmSnapshotHeader.SnapMagic;
    }

    public ICowFormat Create(FormatFiles files, CreateOptions options)
    {
        IImageFile store = OnlyFile(files);
        DmSnapshotGeometry geometry = GeometryOf(options);
        RequireRoom(store, geometry);

        // First no magic, then an empty area, then the magic: whenever power fails there is an empty store or none.
        ExceptionLog log = new(store, geometry);
        log.ZeroChunk(0);
        store.Flush();
        log.ZeroChunk(geometry.AreaChunk(0));
        store.Flush();
        byte[] sector = new byte[SectorBytes];
        new DmSnapshotHeader(DmSnapshotHeader.SnapMagic, 1, DmSnapshotHeader.KnownVersion, geometry.ChunkSectors).Write(sector);
        store.WriteAt(sector, 0);
        store.Flush();
        return new DmSnapshotStore(store, geometry, new OpenOptions(options.VirtualSizeBytes, null, ReadOnly: false));
    }

    public ICowFormat Open(FormatFiles files, OpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfZero(options.VirtualSizeBytes);
        IImageFile store = OnlyFile(files);
        if (store.Length < SectorBytes)
        {
            throw new ImageFormatException(store.Name, 0, "a dm-snapshot store", $"{store.Length} bytes");
        }
        DmSnapshotHeader header = ReadHeader(store);
        header.Validate(store.Name);
        if (options.ChunkSectors is uint expected && expected != header.ChunkSectors)
        {
            throw new ImageFormatException(store.Name, DmSnapshotHeader.ChunkSectorsAt, $"chunks of {expected} sectors", $"{header.ChunkSectors}");
        }
        DmSnapshotGeometry geometry = new(header.ChunkSectors);
        RequireRoom(store, geometry);
        return new DmSnapshotStore(store, geometry, options);
    }

    public SpaceEstimate Estimate(CreateOptions options)
    {
        DmSnapshotGeometry geometry = GeometryOf(options);
        ulong chunks = geometry.DiskChunks(options.VirtualSizeBytes);
        ulong metadata = 2 + (chunks / geometry.EntriesPerArea);
        return new SpaceEstimate(metadata * (ulong)geometry.ChunkBytes, (metadata + chunks) * (ulong)geometry.ChunkBytes);
    }

    private static IImageFile OnlyFile(FormatFiles files)
    {
        ArgumentNullException.ThrowIfNull(files);
        return files is { Metadata: null, Layers: [] }
            ? files.Store
            : throw new ArgumentException("a dm-snapshot store has no metadata file and no layers", nameof(files));
    }

    private DmSnapshotGeometry GeometryOf(CreateOptions options)
    {
        CreateOptionsCheck.Require(options, this);
        return new DmSnapshotGeometry(options.ChunkSectors);
    }

    private static DmSnapshotHeader ReadHeader(IImageFile store)
    {
        byte[] head = new byte[DmSnapshotHeader.Size];
        store.ReadAt(head, 0);
        return DmSnapshotHeader.Read(head);
    }

    private static void RequireRoom(IImageFile store, DmSnapshotGeometry geometry)
    {
        ulong chunks = geometry.Chunks(store.Length);
        if (chunks <= DmSnapshotGeometry.FirstDataChunk)
        {
            throw new ImageFormatException(store.Name, 0, $"room for a header, a metadata area and data: {3 * geometry.ChunkBytes} bytes", $"{store.Length} bytes");
        }
    }
}
