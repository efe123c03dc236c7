// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Toy;

/// <summary>An opened toy image. Entry: byte offset of the chunk, 0 for none, 1 for zeros.</summary>
internal sealed class ToyImage : IDiskImage
{
    private const ulong ZeroEntry = 1;
    private const ulong ChunkBytes = ToyDriver.ChunkSectors * 512;

    private readonly CachedFile _file;
    private readonly string _path;
    private readonly ToyFault _fault;
    private readonly Dictionary<ulong, ulong> _reserved = [];
    private readonly byte[] _sector = new byte[512];
    private readonly ulong _dataStart;
    private readonly WriteGuard _guard;
    private ulong _end;

    public ToyImage(ImageSource source, ulong bytes, BackingReference? backing, ToyFault fault)
    {
        (_file, _path, _fault) = (source.File, source.Path, fault);
        _guard = new WriteGuard(_file);
        Info = new ImageInfo("toy", bytes, ToyDriver.ChunkSectors, [_file], [_path], backing, null, []);
        _dataStart = Align(ToyDriver.HeaderBytes + (ulong)TableBytes(bytes));
        _end = Math.Max(_dataStart, Align((ulong)_file.Length));
        _reserved.EnsureCapacity(256);
    }

    public ImageInfo Info { get; }

    public Usage Usage => new((ulong)_reserved.Count, _file.Length, (long)_dataStart, long.MaxValue);

    private ulong Chunks => (Info.VirtualBytes + ChunkBytes - 1) / ChunkBytes;

    public static int TableBytes(ulong diskBytes) => (int)((((diskBytes + ChunkBytes - 1) / ChunkBytes * 8) + 511) / 512 * 512);

    public ImageExtent Lookup(ulong offset, ulong length)
    {
        ulong within = offset % ChunkBytes;
        length = Math.Min(length, ChunkBytes - within);
        ulong entry = Entry(offset / ChunkBytes);
        if (_fault == ToyFault.Litters)
        {
            GC.KeepAlive(new object());
        }
        return entry switch
        {
            0 => new ImageExtent(length, ImageExtentKind.Below),
            ZeroEntry => new ImageExtent(length, ImageExtentKind.Zero),
            _ => new ImageExtent(length, ImageExtentKind.Data, 0, (long)(Valid(entry, offset / ChunkBytes) + within)),
        };
    }

    public void ReadPacked(ulong offset, Span<byte> data) => throw new InvalidOperationException("nothing is packed");

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        _guard.RefuseIfFailed();
        metadata = default;
        if (!_reserved.TryGetValue(wanted.Chunk, out ulong place))
        {
            place = _end;
            _end += _fault == ToyFault.GivesPlacesTwice && wanted.Chunk % 2 == 0 ? 0 : ChunkBytes;
            _reserved.Add(wanted.Chunk, place);
        }
        if (_fault == ToyFault.NamesPlacesEarly)
        {
            SetEntry(wanted.Chunk, place);
        }
        return new PlacedRun(wanted with { Count = 1 }, new Place(0, place / 512));
    }

    public IEnumerable<ByteRange> MetadataIn(IImageFile file) =>
        _fault != ToyFault.TellsNoTable && ReferenceEquals(file, _file) ? [new ByteRange(ToyDriver.HeaderBytes, TableBytes(Info.VirtualBytes))] : [];

    public void Adopt(PlacedRun run)
    {
        ulong chunk = run.Run.Chunk;
        if (chunk >= Chunks || run.Run.Count > Chunks - chunk || run.Place.Device != 0 || run.Place.Sector > 1 << 30)
        {
            throw Wrong("places of chunks of the disk", $"{run.Run.Count} chunks at {run.Place}");
        }
        for (ulong i = 0; i < run.Run.Count; i++)
        {
            AdoptOne(chunk + i, (run.Place.Sector * 512) + (i * ChunkBytes));
        }
    }

    private void AdoptOne(ulong chunk, ulong place)
    {
        if ((Entry(chunk) == place && place > ZeroEntry) || (_reserved.TryGetValue(chunk, out ulong had) && had == place))
        {
            return;
        }
        if (place < _dataStart || place % ChunkBytes != 0 || _reserved.ContainsValue(place) || Entry(chunk) > ZeroEntry)
        {
            throw Wrong("a free place", $"{place}");
        }
        _reserved[chunk] = place;
        _end = Math.Max(_end, place + ChunkBytes);
    }

    public void Abandon(ChunkRun run)
    {
        for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
        {
            _reserved.Remove(chunk);
        }
    }

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        _guard.BeginChange();
        foreach (PlacedRun run in runs)
        {
            for (ulong i = 0; i < run.Run.Count; i++)
            {
                SetEntry(run.Run.Chunk + i, (run.Place.Sector * 512) + (i * ChunkBytes));
                _reserved.Remove(run.Run.Chunk + i);
            }
        }
        _guard.EndChange();
    }

    public void Flush()
    {
        _guard.BeginChange();
        if (_fault != ToyFault.ForgetsToFlush)
        {
            _file.Flush();
        }
        _guard.EndChange();
    }

    public bool TryZero(ChunkRun run)
    {
        for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
        {
            SetEntry(chunk, ZeroEntry);
        }
        return true;
    }

    public void Grow()
    {
    }

    public CheckReport Check()
    {
        List<string> errors = [];
        Dictionary<ulong, ulong> owners = [];
        for (ulong chunk = 0; chunk < Chunks && _fault != ToyFault.ChecksNothing; chunk++)
        {
            ulong entry = Entry(chunk);
            if (entry <= ZeroEntry)
            {
                continue;
            }
            if (!IsValid(entry, chunk))
            {
                errors.Add($"chunk {chunk} has no place at {entry}");
            }
            else if (!owners.TryAdd(entry, chunk))
            {
                errors.Add($"chunks {owners[entry]} and {chunk} share {entry}");
            }
        }
        return new CheckReport(errors, [], (ulong)owners.Count);
    }

    public void Close()
    {
        _guard.RefuseIfFailed();
        _reserved.Clear();
    }

    public void Dispose()
    {
    }

    private static ulong Align(ulong bytes) => (bytes + ChunkBytes - 1) / ChunkBytes * ChunkBytes;

    private ulong Valid(ulong entry, ulong chunk) =>
        _fault == ToyFault.BelievesEntries || IsValid(entry, chunk) ? entry : throw Wrong($"a place in the file for chunk {chunk}", $"{entry}");

    private bool IsValid(ulong entry, ulong chunk)
    {
        ulong bytes = Math.Min(ChunkBytes, Info.VirtualBytes - (chunk * ChunkBytes));
        return entry % ChunkBytes == 0 && entry >= _dataStart && entry < (ulong)_file.Length && bytes <= (ulong)_file.Length - entry;
    }

    private ulong Entry(ulong chunk)
    {
        Span<byte> entry = stackalloc byte[8];
        _file.ReadAt(entry, ToyDriver.HeaderBytes + ((long)chunk * 8));
        return ReadUInt64LittleEndian(entry);
    }

    private void SetEntry(ulong chunk, ulong entry)
    {
        long at = ToyDriver.HeaderBytes + ((long)chunk * 8);
        if (_fault == ToyFault.WritesHalfSectors)
        {
            _file.WriteAt(BitConverter.GetBytes(entry), at);
            return;
        }
        _file.ReadAt(_sector, at / 512 * 512);
        WriteUInt64LittleEndian(_sector.AsSpan((int)(at % 512)), entry);
        _file.WriteAt(_sector, at / 512 * 512);
    }

    private ImageFormatException Wrong(string expected, string found) => new(_path, ToyDriver.HeaderBytes, expected, found);
}
