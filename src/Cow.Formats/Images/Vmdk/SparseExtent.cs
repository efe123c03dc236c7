// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Vmdk;

/// <summary>An extent of grains, which are found through a directory of tables: hosted sparse, compressed, COWD, seSparse.</summary>
internal sealed class SparseExtent : VmdkExtent
{
    private readonly TwoLevelMap _map;
    private readonly SparseParts _parts;
    private readonly PackedReader? _packed;
    private TailStore? _store;

    // What Judge found; null where there is nothing to write.
    private TailSpace? _space;
    private bool _survey;
    private bool _forRepair;
    private long _usedEnd;

    // Whether the mark says on the disk that it is written.
    private bool _marked;

    /// <summary>Takes over a map whose tables are claimed.</summary>
    public SparseExtent(TwoLevelMap map, SparseParts parts)
        : base(map.Geometry.DiskBytes, map.FileIndex)
    {
        _map = map;
        _parts = parts;
        _packed = parts.Packed is null ? null : new PackedReader(map, parts.Packed, parts.Unpacked);
    }

    public override uint GrainSectors => _map.Geometry.ChunkBytes / 512;

    public override string? ReadOnlyReason => _parts.ReadOnlyReason;

    public override TailStore? Store => _store;

    public override long MetadataBytes => _map.Metadata.TotalBytes;

    public override IEnumerable<ByteRange> Metadata => _map.Metadata.Ranges();

    public override long UsedBytes => _store?.UsedBytes ?? _map.File.Length;

    private UncleanMark Mark => _parts.Mark ?? throw new InvalidOperationException("this extent cannot be written");

    public override ImageExtent Lookup(ulong offset, ulong length) => _map.Lookup(offset, length);

    public override void ReadPacked(ulong offset, Span<byte> data)
    {
        if (_packed is null)
        {
            base.ReadPacked(offset, data);
        }
        _packed!.Read(offset, data);
    }

    public override void Judge(bool forRepair)
    {
        if (forRepair && !Mark.Found && !HasOnlyLeaks())
        {
            return;
        }
        _parts.Mirror?.RequireSound();
        _space = new(_map.File, _map.Geometry.ChunkBytes, GrainCodec.Limit, _parts.LeastBytes);
        Expect.That(
            !_parts.HasNextFree || _space.End <= GrainCodec.Limit,
            _map.File,
            0,
            $"an extent of {GrainCodec.Limit} bytes at most, of which the header can say how far it is used",
            $"one of {_space.End}");
        _marked = Mark.Found;
        _forRepair = forRepair;
        // Whoever closed it may have left places that nobody has all the same: only a repair looks for them.
        _survey = Mark.Found || forRepair;
        if (_survey)
        {
            // What a writer left that was killed may be called a hole until it is on the disk.
            _map.File.Flush();
            _usedEnd = RequireSound().End;
            _parts.Mirror?.PlaceCopies(_space);
        }
    }

    public override void StartWriting()
    {
        if (_space is null)
        {
            return;
        }
        if (!_forRepair)
        {
            _space.Complete();
        }
        if (_survey)
        {
            DropUnnamed(_space);
        }
        if (!_forRepair)
        {
            SetMark();
        }
        // A repair may find nothing that it can move, and writes nothing else.
        _store = new TailStore(_map, _parts.Mirror?.Map, _space, _parts.HasNextFree ? Mark.Advance : null, SetMark);
        if (_survey)
        {
            _store.Survey();
        }
    }

    public override bool TryZero(ulong grain, ulong count, bool hasParent) =>
        _store is not null && (!hasParent || _parts.HasZeroed) && _store.TryZero(grain, count, hasParent ? GrainCodec.Zeroed : 0);

    public override void StopWriting()
    {
        if (_store is null)
        {
            // There was nothing to repair.
            return;
        }
        // The mark goes last: until then a crash has the tables looked at.
        _store.Close();
        _map.File.Flush();
        if (_marked)
        {
            Mark.Write(unclean: false);
            _map.File.Flush();
        }
    }

    public override void Check(TableCheck check)
    {
        RangeSet used = Entries(check);
        bool unclean = _store is null && _parts.Mark?.Found == true;
        _parts.Mirror?.Check(check, unclean);
        long end = Math.Max(used.End, _map.Metadata.End);
        if (_parts.HasNextFree && end > Mark.NextFree)
        {
            check.Errors.Add($"{_map.File.Name}: the header says that nothing is used behind byte {Mark.NextFree}; something is, up to {end}");
        }
        if (_parts.Packed is null && !_parts.IsForeign)
        {
            _store?.AddHeld(used);
            _store?.AddFree(used);
            check.Holes(_map.File.Name, _map, used, 0, Math.Min(_map.File.Length, Mark.NextFree));
        }
    }

    private void SetMark()
    {
        if (!_marked)
        {
            Mark.Write(unclean: true);
            _marked = true;
        }
        _map.File.Flush();
    }

    /// <summary>Whether a repair has something to do where no crash left anything: lost space to give back, and no damage that would have to be
    /// guessed about.</summary>
    private bool HasOnlyLeaks()
    {
        TableCheck check = new();
        Check(check);
        return check.Leaks.Any && !check.Errors.Any;
    }

    /// <summary>Evens out both directories, and keeps of the file no more than tables name.</summary>
    private void DropUnnamed(TailSpace space)
    {
        if (Mark.Found)
        {
            _parts.Mirror?.Repair(space);
        }
        long end = Math.Max(_usedEnd, _map.Metadata.End);
        Mark.Advance(end);
        space.KeepOnly(end);
    }

    private RangeSet Entries(TableCheck check, TableMirror? mirror = null)
    {
        RangeSet used = new(512);
        check.Entries(_map, used, _parts.Packed, mirror is null ? null : mirror.Mend);
        return used;
    }

    /// <summary>Judges all entries as they will be after a repair, before anything is written over what a crash left.</summary>
    private RangeSet RequireSound()
    {
        TableCheck check = new();
        RangeSet used = Entries(check, _parts.Mirror);
        Expect.That(!check.Errors.Any, _map.File, 0, "sound grain tables in an image that was not closed", check.Errors.Any ? check.Report().Errors[0] : "");
        return used;
    }
}
