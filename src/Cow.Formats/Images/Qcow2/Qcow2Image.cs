// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow2;

/// <summary>An opened qcow2 image.</summary>
/// <remarks>The parts: <see cref="Qcow2Store"/> (header and tables), <see cref="ClusterMap"/> (where things are), <see cref="ClusterAllocator"/> (free
/// clusters and their counts), <see cref="PendingPlaces"/> (given out, uncommitted), <see cref="PooledPlaces"/> (held by the kernel, for any chunk),
/// <see cref="MapWriter"/> (the order of writes), <see cref="PackedClusters"/>, <see cref="Qcow2Snapshots"/>, <see cref="Qcow2Check"/>.</remarks>
internal sealed class Qcow2Image : IPackingImage, ISnapshotImage, IGrantingImage
{
    /// <summary>Compressed clusters that are uncommitted at most.</summary>
    private const int MostPacked = 4096;

    private readonly Qcow2Store _store;
    private readonly Qcow2Layout _layout;
    private readonly ClusterMap _map;
    private readonly PackedClusters _packed;
    private readonly PendingPlaces _pending;
    private readonly PooledPlaces _pool;
    private readonly MapWriter _writer;
    private readonly SnapshotEntry? _snapshot;
    private readonly List<EntryChange> _changes = [];
    private readonly List<EntryChange> _packedChanges = [];
    private readonly List<PlacedRun> _sorted = [];
    private ulong _committed;

    public Qcow2Image(Qcow2Store store, string? snapshot, UnpackedChunk? unpacked = null)
    {
        _store = store;
        _layout = store.Layout;
        if (snapshot is not null)
        {
            _snapshot = store.Snapshots.Find(snapshot)
                ?? throw new ImageFormatException(store.File.Name, Qcow2Header.SnapshotsAt, $"a snapshot {snapshot}", $"{store.Header.SnapshotCount} others")
                {
                    Advice = "take one of those that \"cowctl info\" lists",
                };
            _snapshot.Validate(store.File, _layout, store.Header.Size);
        }
        _map = new ClusterMap(store, _snapshot is null);
        _packed = new PackedClusters(store, unpacked ?? new UnpackedChunk());
        _pending = new PendingPlaces(store, _map, _packed);
        _pool = new PooledPlaces(store, _pending);
        _writer = new MapWriter(store, _map, _pending, _packed);
        Info = Qcow2Facts.Of(store, _snapshot);
    }

    /// <inheritdoc/>
    public ImageInfo Info { get; private set; }

    /// <inheritdoc/>
    public Usage Usage
    {
        get
        {
            long length = (long)_store.File.Length;
            return new Usage(_committed + _pending.Total, length, (long)(_store.Claims.Total << _layout.ClusterBits), _store.File.CanGrow ? long.MaxValue : length);
        }
    }

    /// <inheritdoc/>
    public bool Grants => _pool.Possible;

    /// <inheritdoc/>
    public int PackBytes => (int)_layout.ClusterBytes;

    /// <summary>Byte offset of the L1 table.</summary>
    private ulong L1Offset => _snapshot?.L1Offset ?? _store.Header.L1Offset;

    private int SubBits => _layout.ClusterBits - _layout.ChunkBits;

    /// <inheritdoc/>
    public ImageExtent Lookup(ulong offset, ulong length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(offset, Info.VirtualBytes);
        return _map.Lookup(L1Offset, offset, Math.Min(length, Info.VirtualBytes - offset));
    }

    /// <inheritdoc/>
    public void ReadPacked(ulong offset, Span<byte> data)
    {
        ulong table = ClusterMap.TableAt(_store, L1Offset + ((offset >> _layout.L1Shift) * 8));
        ulong at = _map.EntryAt(table, offset);
        L2Entry entry = table == 0 ? default : _map.ReadEntry(at);
        if (table == 0 || _map.InCluster(entry, offset, at).Kind != ImageExtentKind.Packed)
        {
            throw new InvalidOperationException($"the cluster at {offset} is not compressed");
        }
        _packed.Read(entry, at, offset & (_layout.ClusterBytes - 1), data);
    }

    /// <inheritdoc/>
    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        _store.RefuseIfNotWritable();
        return _pending.Reserve(wanted, out metadata);
    }

    /// <inheritdoc/>
    public void Adopt(PlacedRun run)
    {
        _store.RefuseIfNotWritable();
        _pool.RequireOutside(run);
        _pending.Adopt(run);
    }

    /// <inheritdoc/>
    public void Abandon(ChunkRun run) => _pending.Abandon(run);

    /// <inheritdoc/>
    public bool IsGivenUp(ulong chunk) => _pending.IsGivenUp(chunk);

    /// <inheritdoc/>
    public PlaceGrant ReservePool(ulong count)
    {
        _store.RefuseIfNotWritable();
        return _pool.Reserve(count);
    }

    /// <inheritdoc/>
    public void AdoptPool(PlaceGrant grant)
    {
        _store.RefuseIfNotWritable();
        _pool.Adopt(grant);
    }

    /// <inheritdoc/>
    public ulong Take(PlacedRun run)
    {
        _store.RefuseIfNotWritable();
        return _pool.Take(run);
    }

    /// <inheritdoc/>
    public void Release(PlaceGrant grant) => _pool.Release(grant);

    /// <inheritdoc/>
    public IEnumerable<ByteRange> MetadataIn(IImageFile file) => ReferenceEquals(file, _store.Source.File) ? _store.Claims.Ranges() : [];

    /// <inheritdoc/>
    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        _store.BeginChange();
        _sorted.Clear();
        _sorted.AddRange(runs);
        _sorted.Sort(static (a, b) => a.Run.Chunk.CompareTo(b.Run.Chunk));
        _changes.Clear();
        foreach (PlacedRun run in _sorted)
        {
            CommitRun(run);
        }
        _writer.Write(_changes);
        _store.EndChange();
    }

    /// <inheritdoc/>
    public void Flush()
    {
        CommitPacked();
        _store.BeginChange();
        _store.Flush();
        _packed.Forget();
        _store.EndChange();
    }

    /// <inheritdoc/>
    public bool TryZero(ChunkRun run)
    {
        CommitPacked();
        _changes.Clear();
        ulong end = Math.Min(run.End, ((Info.VirtualBytes - 1) >> _layout.ChunkBits) + 1);
        for (ulong chunk = run.Chunk; chunk < end;)
        {
            ulong cluster = chunk >> SubBits;
            ulong next = Math.Min(end, (cluster + 1) << SubBits);
            if (!ZeroEntry.TryMake(_store, _writer.Current(cluster), chunk, next, Info.Backing is not null, _pending.AnyIn(cluster), out L2Entry zero))
            {
                return false;
            }
            if (zero != _writer.Current(cluster))
            {
                _changes.Add(new EntryChange(cluster, zero));
            }
            chunk = next;
        }
        _store.RefuseIfNotWritable();
        if (!_writer.TryReserveTables(_changes))
        {
            // Before the change begins: nothing was written, and all else can still be.
            return false;
        }
        _store.BeginChange();
        _writer.Write(_changes);
        _store.EndChange();
        return true;
    }

    /// <inheritdoc/>
    public int Pack(ReadOnlySpan<byte> data, Span<byte> packed)
    {
        // One sector less at least, or the entry's length field would not hold it.
        int bytes = _packed.Codec.Pack(data, packed[..(int)Math.Min((ulong)packed.Length, _layout.ClusterBytes - 1)]);
        return bytes < data.Length ? bytes : 0;
    }

    /// <inheritdoc/>
    public void WritePacked(ulong offset, ReadOnlySpan<byte> packed)
    {
        _store.BeginChange();
        if (_store.DataFile is not null)
        {
            throw new ArgumentException("an image with an external data file holds no compressed clusters", nameof(packed));
        }
        _packedChanges.Add(new EntryChange(offset >> _layout.ClusterBits, _packed.Append(packed)));
        _store.EndChange();
        if (_packedChanges.Count == MostPacked)
        {
            CommitPacked();
        }
    }

    /// <inheritdoc/>
    public bool TryWritePacked(ulong offset, ReadOnlySpan<byte> data)
    {
        byte[] packed = new byte[PackBytes];
        int bytes = _store.DataFile is null ? Pack(data, packed) : 0;
        if (bytes > 0)
        {
            WritePacked(offset, packed.AsSpan(0, bytes));
        }
        return bytes > 0;
    }

    /// <inheritdoc/>
    public string TakeSnapshot(string name) => ChangeSnapshots(s => s.Take(name));

    /// <inheritdoc/>
    public void DeleteSnapshot(string idOrName) => ChangeSnapshots(s => s.Delete(idOrName));

    /// <inheritdoc/>
    public void ApplySnapshot(string idOrName) => ChangeSnapshots(s => s.Apply(idOrName));

    /// <inheritdoc/>
    public void Grow()
    {
        // The allocator asks for the length of the file whenever it looks for room.
    }

    /// <inheritdoc/>
    public CheckReport Check() => Qcow2Check.Run(_store, Held());

    /// <inheritdoc/>
    public void Close()
    {
        _store.KeepNothing();
        Flush();
        _store.BeginChange();
        GiveBack();
        _store.File.Flush();
        CutTail();
        if (_store.Header.Has(IncompatibleFeatures.Dirty))
        {
            _store.ChangeHeader(_store.Header with { Incompatible = _store.Header.Incompatible & ~IncompatibleFeatures.Dirty });
            _store.File.Flush();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The files belong to the caller and to the opener.
    }

    private void CommitRun(PlacedRun run)
    {
        ulong perChunk = _layout.ChunkBytes / 512;
        for (ulong i = 0; i < run.Run.Count; i++)
        {
            ulong chunk = run.Run.Chunk + i;
            ulong sector = run.Place.Sector + (i * perChunk);
            if (_pending.IsPending(chunk, sector))
            {
                ClearBehindDisk(chunk, sector * 512);
                AddChange(chunk, sector * 512);
                _pending.Settle(chunk);
                _committed++;
            }
            else if (Lookup(chunk << _layout.ChunkBits, 512) is not { Kind: ImageExtentKind.Data } now || (ulong)now.Offset != sector * 512)
            {
                throw new InvalidOperationException($"chunk {chunk} was never given the place at sector {sector}");
            }
        }
    }

    /// <summary>The last chunk may reach behind the end of the disk, where nobody writes. Zeros there, durably: somebody may make the disk larger.</summary>
    private void ClearBehindDisk(ulong chunk, ulong place)
    {
        ulong end = (chunk + 1) << _layout.ChunkBits;
        if (_store.DataFile is null && end > Info.VirtualBytes)
        {
            int behind = (int)(end - Info.VirtualBytes);
            _store.File.Data.WriteAt(new byte[behind], (long)(place + _layout.ChunkBytes) - behind);
            _store.File.Data.Flush();
        }
    }

    private void AddChange(ulong chunk, ulong place)
    {
        ulong cluster = chunk >> SubBits;
        ulong host = place & ~(_layout.ClusterBytes - 1);
        if (!_layout.Extended)
        {
            _changes.Add(new EntryChange(cluster, L2Entry.Own(host, 0)));
            return;
        }
        bool again = _changes.Count > 0 && _changes[^1].Cluster == cluster;
        L2Entry old = again ? _changes[^1].Entry : _writer.Current(cluster);
        ulong bits = old.IsCompressed ? uint.MaxValue : old.Bits;
        int sub = (int)(chunk & (Qcow2Layout.Subclusters - 1));
        bits = (bits | (1UL << sub)) & ~(1UL << (sub + 32));
        EntryChange change = new(cluster, L2Entry.Own(host, bits));
        if (again)
        {
            _changes[^1] = change;
        }
        else
        {
            _changes.Add(change);
        }
    }

    /// <summary>Names the compressed clusters that were appended.</summary>
    private void CommitPacked()
    {
        if (_packedChanges.Count == 0)
        {
            return;
        }
        _store.BeginChange();
        _store.Allocator.Raise();
        _packed.CountUp();
        _store.File.Flush();
        _packedChanges.Sort(static (a, b) => a.Cluster.CompareTo(b.Cluster));
        _writer.Write(_packedChanges);
        _packedChanges.Clear();
        _store.EndChange();
    }

    private T ChangeSnapshots<T>(Func<Qcow2Snapshots, T> change)
    {
        Flush();
        _store.BeginChange();
        GiveBack();
        Qcow2Snapshots snapshots = new(_store);
        Qcow2Header before = _store.Header;
        T result;
        try
        {
            result = change(snapshots);
        }
        catch (Exception) when (!snapshots.HasBegun)
        {
            _store.EndChange();
            throw;
        }
        catch
        {
            _store.GoBackTo(before);
            throw;
        }
        _packed.Forget();
        _pending.ForgetTables();
        Info = Qcow2Facts.Of(_store, null);
        _store.EndChange();
        return result;
    }

    /// <summary>What was taken and is named by nothing becomes free.</summary>
    private void GiveBack()
    {
        foreach (ulong cluster in _pending.Unnamed().Concat(_pool.Unnamed).Concat(_packed.Unused()).ToArray())
        {
            _store.Allocator.GiveBack(cluster);
        }
        _pending.Clear();
        _pool.Clear();
        _packed.Restart();
        _store.Allocator.GiveBackSpare();
        _store.File.Finish();
    }

    /// <summary>The daemon makes the file longer before places are used; pools are large. Their counts are 0, durably.</summary>
    private void CutTail()
    {
        ulong end = _store.Allocator.UsedEnd();
        if (_store.File.CanGrow && end < _store.File.Length)
        {
            _store.File.Cut(end);
        }
    }

    /// <summary>Clusters with counts above what the file names, all of it by intent.</summary>
    private IEnumerable<ulong> Held() =>
        _store.Allocator.Spare.Concat(_pending.Unnamed()).Concat(_pool.Unnamed).Concat(_packed.Unused()).Concat(_store.Dropping);
}
