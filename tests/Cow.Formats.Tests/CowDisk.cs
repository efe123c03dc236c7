// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>A disk over a format, as kernel and controller make one of it: it copies, stamps, keeps uncommitted places, commits. And what it should read.</summary>
internal sealed class CowDisk(FormatUnderTest format, IImageFile medium)
{
    private readonly FormatFiles _files = format.FilesOn(medium);
    private readonly List<(ulong Chunk, Place Place)> _uncommitted = [];
    private ulong _version = 1;

    /// <summary>Version of each sector as written last.</summary>
    public ulong[] Versions { get; private set; } = format.InitialVersions();

    /// <summary>Version of each sector that must survive.</summary>
    public ulong[] Durable { get; private set; } = format.InitialVersions();

    /// <summary>All that was ever placed.</summary>
    public HashSet<(ulong Chunk, Place Place)> EverPlaced { get; } = [];

    public ICowFormat Store { get; private set; } = null!;

    public IReadOnlyList<(ulong Chunk, Place Place)> Uncommitted => _uncommitted;

    public void Create() => Store = format.Driver.Create(_files, new CreateOptions(format.DiskBytes, format.ChunkSectors));

    /// <summary>Opens after the machine went away, or only the controller: then what is uncommitted is adopted.</summary>
    public void Open(bool adopt = false)
    {
        Store = format.Driver.Open(_files, new OpenOptions(format.DiskBytes, format.ChunkSectors, ReadOnly: false));
        foreach ((ulong chunk, Place place) in _uncommitted)
        {
            if (adopt)
            {
                Store.Adopt(new PlacedRun(new ChunkRun(chunk, 1), place));
                Store.Adopt(new PlacedRun(new ChunkRun(chunk, 1), place));
            }
        }
        if (!adopt)
        {
            _uncommitted.Clear();
        }
    }

    /// <summary>Takes what the disk reads for what it should read: after power failed, when it has been judged.</summary>
    public void AcceptWhatIsThere()
    {
        Versions = [.. Enumerable.Range(0, (int)format.DiskSectors).Select(s => Stamp.VersionOf(Read((ulong)s), (ulong)s))];
        Durable = [.. Versions];
        _version = Versions.Max() + 1000;
    }

    /// <summary>Writes sectors; false where the store was full before all were.</summary>
    public bool Write(ulong first, ulong count)
    {
        ulong version = ++_version;
        for (ulong sector = first; sector < first + count;)
        {
            ulong chunk = sector / format.ChunkSectors;
            ulong chunks = ((first + count - 1) / format.ChunkSectors) - chunk + 1;
            Allocation answer = Store.Allocate(new ChunkRun(chunk, chunks));
            if (answer.NoSpace)
            {
                return false;
            }
            Fill(answer);
            ulong end = Math.Min(first + count, answer.Placed.Run.End * format.ChunkSectors);
            ulong place = answer.Placed.Place.Sector + sector - (chunk * format.ChunkSectors);
            List<byte> data = [];
            for (; sector < end; sector++)
            {
                Versions[sector] = version;
                data.AddRange(Stamp.Of(sector, version));
            }
            _files.Store.WriteAt([.. data], (long)place * Stamp.Bytes);
        }
        return true;
    }

    public void Flush(Random random)
    {
        _files.Store.Flush();
        ulong[] flushed = [.. Versions];
        (ulong Chunk, Place Place)[] order = [.. _uncommitted];
        random.Shuffle(order);
        Store.Commit([.. order.Select(u => new PlacedRun(new ChunkRun(u.Chunk, 1), u.Place))]);
        _uncommitted.Clear();
        Store.Flush();
        Durable = flushed;
    }

    /// <summary>Allocates without writing, then gives the places up.</summary>
    public void AllocateAndAbandon(ulong chunk)
    {
        if (_uncommitted.All(u => u.Chunk != chunk) && Store.Lookup(chunk, 1).Kind != ExtentKind.Overlay)
        {
            Store.Allocate(new ChunkRun(chunk, 1));
            Store.Abandon(new ChunkRun(chunk, 1));
        }
    }

    public byte[] Read(ulong sector)
    {
        ulong chunk = sector / format.ChunkSectors;
        ulong within = sector % format.ChunkSectors;
        int uncommitted = _uncommitted.FindIndex(u => u.Chunk == chunk);
        if (uncommitted >= 0)
        {
            return ReadFrom(_files.Store, _uncommitted[uncommitted].Place.Sector + within);
        }
        Extent extent = Store.Lookup(chunk, 1);
        return extent.Kind switch
        {
            ExtentKind.Overlay => ReadFrom(_files.Store, extent.Place.Sector + within),
            ExtentKind.Layer => ReadFrom(_files.Layers[extent.Place.Device].Store, extent.Place.Sector + within),
            _ => Stamp.Of(sector, 0),
        };
    }

    private void Fill(Allocation answer)
    {
        for (ulong i = 0; i < answer.Placed.Run.Count; i++)
        {
            ulong chunk = answer.Placed.Run.Chunk + i;
            Place place = answer.Placed.Place with { Sector = answer.Placed.Place.Sector + (i * format.ChunkSectors) };
            if (answer.Fill == Formats.Fill.None || _uncommitted.Contains((chunk, place)))
            {
                continue;
            }
            List<byte> data = [];
            for (ulong s = chunk * format.ChunkSectors; s < Math.Min((chunk + 1) * format.ChunkSectors, format.DiskSectors); s++)
            {
                data.AddRange(Read(s));
            }
            _files.Store.WriteAt([.. data], (long)place.Sector * Stamp.Bytes);
            _uncommitted.Add((chunk, place));
            EverPlaced.Add((chunk, place));
        }
    }

    private static byte[] ReadFrom(IImageFile file, ulong sector)
    {
        byte[] bytes = new byte[Stamp.Bytes];
        file.ReadAt(bytes, (long)sector * Stamp.Bytes);
        return bytes;
    }
}
