// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>Sectors of the mapped device and chunks of the format: the one place that converts between them.</summary>
internal readonly record struct ChunkGeometry
{
    public const int SectorBytes = 512;

    public ChunkGeometry(ulong sectors, ulong chunkSectors)
    {
        if (sectors == 0 || chunkSectors == 0 || !ulong.IsPow2(chunkSectors))
        {
            throw new ArgumentException($"{sectors} sectors in chunks of {chunkSectors} are no device");
        }

        Sectors = sectors;
        ChunkSectors = chunkSectors;
        Chunks = ((sectors - 1) / chunkSectors) + 1;
    }

    /// <summary>Sectors of the device.</summary>
    public ulong Sectors { get; }

    /// <summary>Sectors of a chunk, a power of two.</summary>
    public ulong ChunkSectors { get; }

    /// <summary>Chunks of the device; the last one may be cut off.</summary>
    public ulong Chunks { get; }

    /// <summary>First sector of a chunk.</summary>
    public ulong SectorOf(ulong chunk) => chunk * ChunkSectors;

    /// <summary>The chunk that a sector lies in.</summary>
    public ulong ChunkOf(ulong sector) => sector / ChunkSectors;

    /// <summary>Sectors of the device in a run: less than chunk times count when it ends in the cut-off chunk.</summary>
    public ulong SectorsOf(ChunkRun run) => Math.Min(SectorOf(run.End), Sectors) - SectorOf(run.Chunk);

    /// <summary>The run lies inside the device.</summary>
    public bool Contains(ulong chunk, ulong count) => count > 0 && chunk < Chunks && count <= Chunks - chunk;

    /// <summary>The part of a run that lies inside the device.</summary>
    public ChunkRun Clip(ChunkRun run) => new(run.Chunk, Math.Min(run.Count, Chunks - run.Chunk));

    /// <summary>The bytes of the store that a run of places takes, the cut-off chunk in full.</summary>
    public ByteRange BytesOf(in PlacedRun run) => new(
        checked((long)(run.Place.Sector * SectorBytes)),
        checked((long)(run.Run.Count * ChunkSectors * SectorBytes)));
}
