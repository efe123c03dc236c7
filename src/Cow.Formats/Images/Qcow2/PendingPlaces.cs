// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// Places that were given out and not committed: in memory only.
/// </summary>
/// <remarks>With extended L2 entries the chunk is a subcluster. A cluster that nobody else refers to keeps its place, and only the touched
/// subcluster is new. Where the old cluster is shared or compressed, all of it has to move, since an entry names one host cluster: then what it
/// holds is copied to the new one at once, before any subcluster of it is given out. So an entry that is committed for one subcluster may name
/// all others, and a copy that somebody else makes of one of them meets the same bytes.</remarks>
internal sealed class PendingPlaces(Qcow2Store store, ClusterMap map, PackedClusters packed)
{
    private readonly Qcow2Layout _layout = store.Layout;

    // Chunk to place, counted in chunks of the file.
    private readonly RunMap _places = new();

    // Chunks whose place could not be written.
    private readonly RunMap _abandoned = new();

    // Host clusters that went with them, to go back at Close.
    private readonly List<ulong> _lost = [];

    // Extended entries only: cluster of the disk to the host cluster that its next commit names, and that holds all of it already.
    private readonly Dictionary<ulong, ulong> _moving = [];

    // L1 slot to the host cluster of its new L2 table.
    private readonly Dictionary<ulong, ulong> _tables = [];

    // Slots of the disk with a table of their own, once somebody has asked: an L1 table may have millions.
    private ulong? _own;

    /// <summary>Chunks given out.</summary>
    public ulong Total => _places.Total;

    private bool External => store.DataFile is not null;

    private int SubBits => _layout.ClusterBits - _layout.ChunkBits;

    private int File => External ? Qcow2Store.DataFileIndex : Qcow2Store.ImageFileIndex;

    /// <summary>See <see cref="IDiskImage.Reserve"/>.</summary>
    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        metadata = default;
        if (_places.TryAtOrAfter(wanted.Chunk, out MapRun run) && run.Key <= wanted.Chunk)
        {
            WidenByUnwritten(wanted.Chunk, ref metadata);
            return Answer(wanted.Chunk, run.ValueOf(wanted.Chunk), Math.Min(wanted.Count, run.End - wanted.Chunk));
        }
        ulong count = run.Count == 0 ? wanted.Count : Math.Min(wanted.Count, run.Key - wanted.Chunk);
        count = Math.Min(count, ChunksToTableEnd(wanted.Chunk));
        if (_abandoned.TryAtOrAfter(wanted.Chunk, out run))
        {
            count = run.Key <= wanted.Chunk ? 0 : Math.Min(count, run.Key - wanted.Chunk);
        }
        if (count == 0 || !NeedTable(wanted.Chunk, out ulong table))
        {
            return default(PlacedRun) with { Run = wanted with { Count = 0 } };
        }
        ulong place = External ? wanted.Chunk : _layout.Extended ? PlaceSubclusters(wanted.Chunk, table, ref count) : PlaceClusters(wanted.Chunk, table, ref count);
        if (count > 0)
        {
            _places.Add(wanted.Chunk, place, count);
        }
        WidenByUnwritten(wanted.Chunk, ref metadata);
        return Answer(wanted.Chunk, place, count);
    }

    /// <summary>See <see cref="ICowFormat.Adopt"/>.</summary>
    public void Adopt(PlacedRun run)
    {
        ulong chunks = (store.Header.Size + _layout.ChunkBytes - 1) >> _layout.ChunkBits;
        ulong place = run.Place.Sector >> (_layout.ChunkBits - 9);
        bool possible = run.Place.Device == File && SectorOf(place) == run.Place.Sector && run.Place.Sector < Qcow2Layout.OffsetMask / 512
            && run.Run.Count <= chunks && run.Run.Chunk <= chunks - run.Run.Count;
        if (!possible)
        {
            throw Conflict(run.Run.Chunk, place, "a run of whole chunks inside disk and file");
        }
        for (ulong i = 0; i < run.Run.Count; i++)
        {
            AdoptChunk(run.Run.Chunk + i, place + i);
        }
    }

    /// <summary>See <see cref="ICowFormat.Abandon"/>.</summary>
    public void Abandon(ChunkRun run)
    {
        for (ulong chunk = run.Chunk; _places.TryAtOrAfter(chunk, out MapRun pending) && pending.Key < run.End;)
        {
            chunk = Math.Max(chunk, pending.Key);
            ulong place = pending.ValueOf(chunk);
            _places.Remove(chunk, 1);
            // Where the place is fixed by the chunk there is no other one.
            if (_layout.Extended || External || IsOwn(chunk, place))
            {
                _abandoned.Add(chunk, chunk, 1);
            }
            else
            {
                _lost.Add(place);
            }
            chunk++;
        }
    }

    /// <summary>See <see cref="ICowFormat.IsGivenUp"/>.</summary>
    public bool IsGivenUp(ulong chunk) => _abandoned.TryAt(chunk, out _);

    /// <summary>Holds that this place was given to the chunk and is still to be committed.</summary>
    /// <returns>False where the chunk is not pending.</returns>
    public bool IsPending(ulong chunk, ulong sector)
    {
        if (!_places.TryAt(chunk, out MapRun run))
        {
            return false;
        }
        return SectorOf(run.ValueOf(chunk)) == sector ? true : throw new InvalidOperationException($"chunk {chunk} was never given the place at sector {sector}");
    }

    /// <summary>Whether this is the chunk's place, given out or committed.</summary>
    public bool Has(ulong chunk, ulong place) => TryKnown(chunk, out ulong known, out _) && known == place;

    /// <summary>Gives a chunk a place that was taken for it elsewhere. One that it was given before and that was never used is free again.</summary>
    /// <exception cref="ImageFormatException">It has a committed one.</exception>
    public void Give(ulong chunk, ulong place)
    {
        if (TryKnown(chunk, out ulong known, out bool committed))
        {
            if (committed)
            {
                throw Conflict(chunk, place, $"place {known}, which the image has for it");
            }
            _places.Remove(chunk, 1);
            if (!IsOwn(chunk, known))
            {
                store.Allocator.Return(known, 1);
            }
        }
        _places.Add(chunk, place, 1);
    }

    /// <summary>Gives chunks adjoining places that were taken for them elsewhere, if the image has nothing at all for any of them.</summary>
    /// <returns>False where it has: then nothing was done.</returns>
    public bool TryGiveNew(ChunkRun run, ulong place)
    {
        ulong offset = run.Chunk << _layout.ChunkBits;
        ulong bytes = Math.Min(run.Count << _layout.ChunkBits, store.Header.Size - offset);
        if (_places.HasAny(run.Chunk, run.Count) || map.Lookup(store.Header.L1Offset, offset, bytes) is not { Kind: ImageExtentKind.Below } now || now.Length < bytes)
        {
            return false;
        }
        _places.Add(run.Chunk, place, run.Count);
        return true;
    }

    /// <summary>Whether a place of a chunk of this cluster was given out.</summary>
    public bool AnyIn(ulong cluster) => _places.TryAtOrAfter(cluster << SubBits, out MapRun run) && run.Key < (cluster + 1) << SubBits;

    /// <summary>The host cluster of the new L2 table of an L1 slot.</summary>
    public ulong NewTable(ulong slot) => _tables[slot];

    /// <summary>The chunk's place is committed.</summary>
    public void Settle(ulong chunk)
    {
        _places.Remove(chunk, 1);
        if (_layout.Extended)
        {
            _moving.Remove(chunk >> SubBits);
        }
    }

    /// <summary>The slot has its new table.</summary>
    public void SettleTable(ulong slot)
    {
        _tables.Remove(slot);
        _own++;
    }

    /// <summary>The L1 table is another one.</summary>
    public void ForgetTables() => _own = null;

    /// <summary>Sets an L2 table of its own aside for the slot of a chunk, where it has none.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="table">Byte offset of the slot's present table, 0 for none.</param>
    /// <returns>False where there is no room.</returns>
    public bool NeedTable(ulong chunk, out ulong table)
    {
        ulong slot = SlotOf(chunk);
        table = ClusterMap.TableAt(store, store.L1EntryAt(slot));
        if (!LacksTable(slot))
        {
            return true;
        }
        ulong cluster = store.Allocator.Take(1, out ulong count);
        if (count > 0)
        {
            _tables.Add(slot, cluster);
        }
        return count > 0;
    }

    /// <summary>Whether a slot has neither a table of its own nor one set aside.</summary>
    public bool LacksTable(ulong slot) => (store.L1Entry(slot) & Qcow2Layout.Copied) == 0 && !_tables.ContainsKey(slot);

    /// <summary>Slots of the disk that lack a table, counted up to a limit.</summary>
    public ulong CountMissingTables(ulong limit)
    {
        ulong slots = Math.Min(store.Header.L1Entries, (store.Header.Size >> _layout.L1Shift) + 1);
        _own ??= CountOwn(slots);
        return Math.Min(limit, slots - _own.Value - (ulong)_tables.Count);
    }

    private ulong CountOwn(ulong slots)
    {
        ulong own = 0;
        store.File.ForEachWord(store.Header.L1Offset, slots, (_, entry) => own += (entry & Qcow2Layout.Copied) != 0 ? 1UL : 0);
        return own;
    }

    /// <summary>A cluster for the table that a slot lacks.</summary>
    public void GiveTable(ulong slot, ulong cluster) => _tables.Add(slot, cluster);

    /// <summary>The L1 slot of a chunk.</summary>
    public ulong SlotOf(ulong chunk) => (chunk << _layout.ChunkBits) >> _layout.L1Shift;

    /// <summary>Host clusters that were taken and are named by nothing.</summary>
    public IEnumerable<ulong> Unnamed()
    {
        IEnumerable<ulong> held = _tables.Values.Concat(_moving.Values).Concat(_lost);
        return _layout.Extended || External ? held : held.Concat(Places()).Where(cluster => cluster != 0).Distinct();
    }

    /// <summary>Forgets all: it went back.</summary>
    public void Clear()
    {
        _tables.Clear();
        _moving.Clear();
        _lost.Clear();
        while (_places.TryAtOrAfter(0, out MapRun run))
        {
            _places.Remove(run.Key, run.Count);
        }
    }

    /// <summary>Adds what the commit of this chunk writes for the first time.</summary>
    private void WidenByUnwritten(ulong chunk, ref ByteRange metadata)
    {
        if (_tables.TryGetValue(SlotOf(chunk), out ulong table))
        {
            store.Allocator.Widen(ref metadata, table, 1);
        }
        store.Allocator.WidenByUnwritten(ref metadata);
    }

    /// <summary>Host clusters of places that are not preallocated, without extended entries.</summary>
    private IEnumerable<ulong> Places()
    {
        for (ulong chunk = 0; _places.TryAtOrAfter(chunk, out MapRun run); chunk = run.End)
        {
            for (ulong key = run.Key; key < run.End; key++)
            {
                if (!IsOwn(key, run.ValueOf(key)))
                {
                    yield return run.ValueOf(key);
                }
            }
        }
    }

    private bool IsOwn(ulong chunk, ulong host)
    {
        ulong offset = chunk << _layout.ChunkBits;
        ulong slot = offset >> _layout.L1Shift;
        ulong table = store.L1Entry(slot) & Qcow2Layout.OffsetMask;
        return table != 0 && map.ReadEntry(map.EntryAt(table, offset)) is { IsCompressed: false, Copied: true } entry && entry.HostOffset >> _layout.ClusterBits == host;
    }

    private ulong ChunksToTableEnd(ulong chunk)
    {
        int tableChunkBits = _layout.L1Shift - _layout.ChunkBits;
        return (((chunk >> tableChunkBits) + 1) << tableChunkBits) - chunk;
    }

    /// <summary>Places for clusters: their own where they are preallocated, else adjoining free ones.</summary>
    private ulong PlaceClusters(ulong chunk, ulong table, ref ulong count)
    {
        if (table != 0)
        {
            ulong own = OwnPlace(chunk, table);
            if (own != 0)
            {
                count = 1;
                return own;
            }
            ulong fresh = 1;
            while (fresh < count && OwnPlace(chunk + fresh, table) == 0)
            {
                fresh++;
            }
            count = fresh;
        }
        return store.Allocator.Take(count, out count);
    }

    /// <summary>Host cluster of a preallocated cluster, 0 where there is none.</summary>
    private ulong OwnPlace(ulong chunk, ulong table)
    {
        ulong offset = chunk << _layout.ClusterBits;
        ulong at = map.EntryAt(table, offset);
        L2Entry entry = map.ReadEntry(at);
        return map.HasOwnPlace(entry, offset, at) ? entry.HostOffset >> _layout.ClusterBits : 0;
    }

    /// <summary>Places for subclusters of one cluster.</summary>
    private ulong PlaceSubclusters(ulong chunk, ulong table, ref ulong count)
    {
        ulong cluster = chunk >> SubBits;
        ulong sub = chunk & (Qcow2Layout.Subclusters - 1);
        count = Math.Min(count, Qcow2Layout.Subclusters - sub);
        if (_moving.TryGetValue(cluster, out ulong host))
        {
            return (host << SubBits) + sub;
        }
        ulong offset = cluster << _layout.ClusterBits;
        ulong at = table == 0 ? 0 : map.EntryAt(table, offset);
        L2Entry entry = table == 0 ? default : map.ReadEntry(at);
        if (table != 0 && map.HasOwnPlace(entry, offset, at))
        {
            return (entry.HostOffset >> _layout.ChunkBits) + sub;
        }
        host = store.Allocator.Take(1, out ulong taken);
        if (taken == 0 || !TryMove(entry, offset, at, host))
        {
            count = 0;
            return 0;
        }
        _moving.Add(cluster, host);
        return (host << SubBits) + sub;
    }

    /// <summary>Copies what a shared or compressed cluster holds to its new place. Where that fails the place is free again, and nothing of it is given out: the
    /// commit of one subcluster would name all others there.</summary>
    /// <returns>False where the file system has no room, which is to be waited for as for a place.</returns>
    private bool TryMove(L2Entry entry, ulong offset, ulong at, ulong host)
    {
        bool moved = false;
        try
        {
            MoveContent(entry, offset, at, host << _layout.ClusterBits);
            moved = true;
        }
        catch (IOException e) when (NoRoom.Is(e))
        {
            // Not moved.
        }
        finally
        {
            if (!moved)
            {
                store.Allocator.Return(host, 1);
            }
        }
        return moved;
    }

    private void MoveContent(L2Entry entry, ulong offset, ulong at, ulong to)
    {
        if (!entry.IsCompressed && entry.Allocated == 0)
        {
            return;
        }
        byte[] bytes = new byte[_layout.ClusterBytes];
        for (ulong done = 0; done < _layout.ClusterBytes;)
        {
            ImageExtent extent = map.InCluster(entry, offset + done, at);
            Span<byte> part = bytes.AsSpan((int)done, (int)extent.Length);
            if (extent.Kind == ImageExtentKind.Packed)
            {
                packed.Read(entry, at, done, part);
            }
            else if (extent.Kind is ImageExtentKind.Data or ImageExtentKind.Shared)
            {
                int present = (int)Math.Clamp(store.File.Data.Length - extent.Offset, 0, part.Length);
                store.File.Data.ReadAt(part[..present], extent.Offset);
            }
            done += extent.Length;
        }
        store.File.Data.WriteAt(bytes, (long)to);
    }

    private void AdoptChunk(ulong chunk, ulong place)
    {
        if (TryKnown(chunk, out ulong known, out _))
        {
            if (known != place)
            {
                throw Conflict(chunk, place, $"place {known}, which the image has for it");
            }
            return;
        }
        // No new table yet: it could be put where another place was that is still to be adopted.
        if (!AdoptPlace(chunk, place))
        {
            throw Conflict(chunk, place, "a free place of the file");
        }
        _places.Add(chunk, place, 1);
    }

    /// <summary>The place that a chunk has.</summary>
    private bool TryKnown(ulong chunk, out ulong place, out bool committed)
    {
        committed = false;
        if (_places.TryAt(chunk, out MapRun run))
        {
            place = run.ValueOf(chunk);
            return true;
        }
        ImageExtent now = map.Lookup(store.Header.L1Offset, chunk << _layout.ChunkBits, _layout.ChunkBytes);
        committed = now.Kind == ImageExtentKind.Data;
        place = committed ? (ulong)now.Offset >> _layout.ChunkBits : 0;
        return committed;
    }

    private bool AdoptPlace(ulong chunk, ulong place)
    {
        if (External)
        {
            return place == chunk;
        }
        ulong cluster = chunk >> SubBits;
        ulong host = place >> SubBits;
        bool whole = (place & ((1UL << SubBits) - 1)) == (chunk & ((1UL << SubBits) - 1));
        if (!whole || IsOwn(chunk, host) || (_moving.TryGetValue(cluster, out ulong moving) && moving == host))
        {
            return whole;
        }
        if (!store.Allocator.Adopt(host))
        {
            return false;
        }
        return !_layout.Extended || _moving.TryAdd(cluster, host);
    }

    private PlacedRun Answer(ulong chunk, ulong place, ulong count) => new(new ChunkRun(chunk, count), new Place(File, SectorOf(place)));

    private ulong SectorOf(ulong place) => place << (_layout.ChunkBits - 9);

    private ImageFormatException Conflict(ulong chunk, ulong place, string expected) =>
        new(store.File.Name, 0, expected, $"chunk {chunk} adopted at {place << _layout.ChunkBits}");
}
