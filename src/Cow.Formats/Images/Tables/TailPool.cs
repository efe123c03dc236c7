// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Places out of a <see cref="TailStore"/> that the kernel holds for first writes to come (<see cref="IGrantingImage"/>).</summary>
/// <remarks>
/// <para>A place of a pool is one out of <see cref="TailSpace"/>, exactly as one that was given to a chunk. Nothing on the disk speaks of it before its
/// own commit. Whoever opens the image while the kernel still holds the pool adopts it before anything is taken; where the kernel is gone, too, the
/// pool is, and what it was lies behind the end, or is a hole until the image is closed.</para>
/// <para>Each place that is reserved has a place for a table set aside with it, as long as tables are lacking, as in a qcow2 image.</para>
/// <para>Only where a table is no larger than a chunk, so that Close leaves no hole wherever the rest of a pool lies.</para>
/// </remarks>
internal sealed class TailPool(TailStore store, NewTables newTables, TwoLevelMap map, TailSpace space)
{
    private readonly Stack<NewTable> _tables = new();

    /// <summary>Whether places can be reserved.</summary>
    public bool Possible => store.FillsHoles;

    /// <summary>Units that are reserved, to themselves.</summary>
    public RunMap Places { get; } = new();

    /// <summary>Places for tables that the chunks which take places may lack.</summary>
    public IEnumerable<NewTable> Tables => _tables;

    /// <summary>See <see cref="IGrantingFormat.Reserve"/>.</summary>
    public PlaceGrant Reserve(ulong count)
    {
        count = Possible ? Math.Min(count, map.Geometry.Chunks - Places.Total) : 0;
        count = ReserveTables(count);
        ulong first = 0;
        if (count > 0)
        {
            first = space.Take(ref count);
        }
        if (count > 0)
        {
            Places.Add(first, first, count);
        }
        ReturnTables();
        return new PlaceGrant(PlaceGrant.AnyChunk, count, new Place(map.FileIndex, first * SectorsOfUnit), Metadata());
    }

    /// <summary>See <see cref="IGrantingFormat.AdoptGrant"/>.</summary>
    public void Adopt(PlaceGrant grant)
    {
        store.Survey();
        ulong first = UnitOf(grant.Place);
        bool fits = Possible && grant.IsPool && grant.Count <= map.Geometry.Chunks - Places.Total;
        for (ulong unit = first; unit - first < grant.Count; unit++)
        {
            if (!fits || !space.TryTakeAt(unit))
            {
                throw Conflict(grant.Place, "free places of the image");
            }
            Places.Add(unit, unit, 1);
        }
    }

    /// <summary>See <see cref="IGrantingFormat.Take"/>.</summary>
    public ulong Take(PlacedRun run)
    {
        ulong first = UnitOf(run.Place);
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
        ulong first = UnitOf(grant.Place);
        Places.Remove(first, grant.Count);
        space.Return(first, grant.Count);
        ReturnTables();
    }

    /// <summary>Gives all back.</summary>
    public void Clear()
    {
        while (Places.TryAtOrAfter(0, out MapRun run))
        {
            Places.Remove(run.Key, run.Count);
            space.Return(run.Key, run.Count);
        }
        ReturnTables();
    }

    private ulong SectorsOfUnit => (ulong)space.UnitBytes / 512;

    /// <summary>What the commit of the places that are reserved writes for the first time.</summary>
    private ByteRange Metadata()
    {
        long first = long.MaxValue;
        long end = 0;
        foreach (NewTable table in _tables)
        {
            ByteRange range = table.Range(newTables.TableSpace);
            first = Math.Min(first, range.Offset);
            end = Math.Max(end, range.Offset + range.Length);
        }
        return end == 0 ? default : new ByteRange(first, end - first);
    }

    private bool TakeOne(ulong chunk, ulong unit)
    {
        if (!Places.TryAt(unit, out _))
        {
            return store.Has(chunk, (long)unit * space.UnitBytes)
                ? false
                : throw Conflict(new Place(map.FileIndex, unit * SectorsOfUnit), $"a place that was given to chunk {chunk}, or to any");
        }
        store.Give(chunk, unit);
        Places.Remove(unit, 1);
        ulong table = chunk / map.Geometry.TableEntries;
        if (_tables.Count > 0 && newTables.Lacks(table))
        {
            newTables.Give(table, _tables.Pop());
        }
        return true;
    }

    /// <summary>Sees to it that every place has a table, as far as one may be needed.</summary>
    /// <param name="count">Places to be reserved besides those that are.</param>
    /// <returns>For how many of them there are tables.</returns>
    private ulong ReserveTables(ulong count)
    {
        ulong needed = newTables.CountMissing(Places.Total + count);
        while ((ulong)_tables.Count < needed && newTables.TryTake(out NewTable table))
        {
            _tables.Push(table);
        }
        ulong held = (ulong)_tables.Count;
        return held >= needed ? count : held - Math.Min(held, Places.Total);
    }

    private void ReturnTables()
    {
        ulong needed = newTables.CountMissing(Places.Total);
        while ((ulong)_tables.Count > needed)
        {
            newTables.Return(_tables.Pop());
        }
    }

    private ulong UnitOf(Place place) => place.Device == map.FileIndex && place.Sector % SectorsOfUnit == 0 && place.Sector <= long.MaxValue / 1024
        ? place.Sector / SectorsOfUnit
        : throw Conflict(place, "a place of the image");

    private ImageFormatException Conflict(Place place, string expected) =>
        new(map.File.Name, 0, expected, $"sector {place.Sector} of device {place.Device}");
}
