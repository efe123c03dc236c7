// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Places that the kernel holds for first writes to come (<see cref="IGrantingImage"/>), and what their commit will need.
/// </summary>
/// <remarks>
/// <para>A place of a pool is a cluster out of the allocator's arena, exactly as one that was given to a chunk: set aside in memory, and counted on the
/// disk no later than by the first commit of any place (<see cref="ClusterAllocator.Raise"/>). It need not be counted sooner. Nothing on the disk
/// names it before its own commit, which raises first. Whoever opens the image while the kernel still holds the pool adopts it before anything is
/// allocated, counted or not; and where the kernel is gone, too, the pool is: a cluster that was not counted is free, one that was is a leak.</para>
/// <para>Which chunk takes a place is told when that is done, and nothing can be refused any more. So each place that is reserved has a cluster for an L2
/// table set aside with it, as long as there are parts of the disk that have no table of their own (none, or one shared with a snapshot): never
/// more tables than there are such parts. These are told as metadata, and so are new refcount blocks. Places that were adopted came without:
/// the next pool brings the tables for them; until then their commit finds room or fails, as that of every adopted place.</para>
/// <para>A chunk may be given two places: the daemon answered its write with one, the answer met a table swap, and the write came again and took one of
/// a pool. The kernel's word counts. The other one is free at once: nobody wrote it, nothing names it. Where it was the chunk's own
/// (preallocated, under zeros) the entry names it until the commit, and it goes as every replaced cluster does.</para>
/// <para>A place that could not be written was taken before it is abandoned, and so is lost as any other. What comes back unused is taken again first.
/// Close gives the rest back, so a clean close leaves no leak.</para>
/// <para>Not with subclusters, where the place of a chunk follows from its cluster's, nor with an external data file, where it follows from the chunk.</para>
/// </remarks>
internal sealed class PooledPlaces(Qcow2Store store, PendingPlaces pending)
{
    private readonly Qcow2Layout _layout = store.Layout;

    // Clusters, to themselves.
    private readonly RunMap _places = new();

    // Clusters for tables that the chunks which take places may lack.
    private readonly Stack<ulong> _tables = new();

    /// <summary>Whether places can be reserved.</summary>
    public bool Possible => !_layout.Extended && store.DataFile is null;

    /// <summary>Clusters that nothing names.</summary>
    public IEnumerable<ulong> Unnamed => _tables.Concat(_places.Keys());

    private ulong DiskClusters => _layout.Clusters(store.Header.Size);

    /// <summary>See <see cref="IGrantingFormat.Reserve"/>.</summary>
    public PlaceGrant Reserve(ulong count)
    {
        count = Possible ? Math.Min(count, DiskClusters - _places.Total) : 0;
        count = ReserveTables(count);
        ulong first = 0;
        if (count > 0)
        {
            first = store.Allocator.Take(count, out count);
        }
        if (count > 0)
        {
            _places.Add(first, first, count);
        }
        ReturnTables();
        return new PlaceGrant(PlaceGrant.AnyChunk, count, new Place(Qcow2Store.ImageFileIndex, SectorOf(first)), Metadata());
    }

    /// <summary>See <see cref="IGrantingFormat.AdoptGrant"/>.</summary>
    public void Adopt(PlaceGrant grant)
    {
        ulong first = ClusterOf(grant.Place);
        bool fits = Possible && grant.IsPool && grant.Count <= DiskClusters - _places.Total;
        for (ulong cluster = first; cluster - first < grant.Count; cluster++)
        {
            if (!fits || _places.TryAt(cluster, out _) || !store.Allocator.Adopt(cluster))
            {
                throw Conflict(grant.Place, "free clusters of the image");
            }
            _places.Add(cluster, cluster, 1);
        }
    }

    /// <summary>Holds that a place which is adopted for a chunk is in no pool.</summary>
    public void RequireOutside(PlacedRun run)
    {
        ulong first = run.Place.Sector >> (_layout.ClusterBits - 9);
        if (_places.TryAtOrAfter(first, out MapRun held) && held.Key - Math.Min(first, held.Key) < run.Run.Count)
        {
            throw Conflict(run.Place, "a place that is in no pool");
        }
    }

    /// <summary>See <see cref="IGrantingFormat.Take"/>.</summary>
    public ulong Take(PlacedRun run)
    {
        ulong first = ClusterOf(run.Place);
        if (TryTakeNew(run.Run, first))
        {
            return run.Run.Count;
        }
        ulong taken = 0;
        for (ulong i = 0; i < run.Run.Count; i++)
        {
            taken += TakeOne(run.Run.Chunk + i, first + i) ? 1UL : 0;
        }
        return taken;
    }

    /// <summary>See <see cref="IGrantingFormat.Release"/>.</summary>
    public void Release(PlaceGrant grant)
    {
        ulong first = ClusterOf(grant.Place);
        _places.Remove(first, grant.Count);
        store.Allocator.Return(first, grant.Count);
        ReturnTables();
    }

    /// <summary>Forgets all: it went back.</summary>
    public void Clear()
    {
        _tables.Clear();
        while (_places.TryAtOrAfter(0, out MapRun run))
        {
            _places.Remove(run.Key, run.Count);
        }
    }

    /// <summary>What the commit of the places that are reserved writes for the first time.</summary>
    private ByteRange Metadata()
    {
        ByteRange metadata = default;
        foreach (ulong cluster in _tables)
        {
            store.Allocator.Widen(ref metadata, cluster, 1);
        }
        store.Allocator.WidenByUnwritten(ref metadata);
        return metadata;
    }

    /// <summary>Takes places for chunks that have none, as nearly all are; else does nothing.</summary>
    private bool TryTakeNew(ChunkRun run, ulong first)
    {
        if (!_places.TryAt(first, out MapRun held) || held.End - first < run.Count || !pending.TryGiveNew(run, first))
        {
            return false;
        }
        _places.Remove(first, run.Count);
        for (ulong slot = pending.SlotOf(run.Chunk); slot <= pending.SlotOf(run.End - 1); slot++)
        {
            TakeTable(slot);
        }
        return true;
    }

    private bool TakeOne(ulong chunk, ulong cluster)
    {
        if (!_places.TryAt(cluster, out _))
        {
            return pending.Has(chunk, cluster)
                ? false
                : throw Conflict(new Place(Qcow2Store.ImageFileIndex, SectorOf(cluster)), $"a place that was given to chunk {chunk}, or to any");
        }
        pending.Give(chunk, cluster);
        _places.Remove(cluster, 1);
        TakeTable(pending.SlotOf(chunk));
        return true;
    }

    /// <summary>A table for a slot with a place that was taken, where it lacks one.</summary>
    private void TakeTable(ulong slot)
    {
        if (_tables.Count > 0 && pending.LacksTable(slot))
        {
            pending.GiveTable(slot, _tables.Pop());
        }
    }

    /// <summary>Sees to it that every place has a table, as far as one may be needed.</summary>
    /// <param name="count">Places to be reserved besides those that are.</param>
    /// <returns>For how many of them there are tables.</returns>
    private ulong ReserveTables(ulong count)
    {
        ulong needed = pending.CountMissingTables(_places.Total + count);
        // One run of clusters will do, unless places were adopted without.
        while ((ulong)_tables.Count < needed && (ulong)_tables.Count <= _places.Total)
        {
            ulong first = store.Allocator.Take(needed - (ulong)_tables.Count, out ulong taken);
            if (taken == 0)
            {
                break;
            }
            for (ulong cluster = first; cluster < first + taken; cluster++)
            {
                _tables.Push(cluster);
            }
        }
        ulong tables = (ulong)_tables.Count;
        return tables >= needed ? count : tables - Math.Min(tables, _places.Total);
    }

    private void ReturnTables()
    {
        ulong needed = pending.CountMissingTables(_places.Total);
        while ((ulong)_tables.Count > needed)
        {
            store.Allocator.Return(_tables.Pop(), 1);
        }
    }

    private ulong ClusterOf(Place place)
    {
        ulong sectors = _layout.ClusterBytes / 512;
        return place.Device == Qcow2Store.ImageFileIndex && place.Sector % sectors == 0 && place.Sector < Qcow2Layout.OffsetMask / 512
            ? place.Sector / sectors
            : throw Conflict(place, "a cluster of the image");
    }

    private ulong SectorOf(ulong cluster) => cluster << (_layout.ClusterBits - 9);

    private ImageFormatException Conflict(Place place, string expected) =>
        new(store.File.Name, 0, expected, $"sector {place.Sector} of device {place.Device}");
}
