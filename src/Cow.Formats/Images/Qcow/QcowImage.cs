// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow;

/// <summary>An open qcow version 1 image.</summary>
/// <remarks>The format records neither that it is open nor what is free: space is taken behind the end of the file, and there is nothing to repair
/// after a crash but lost space. A chunk is a cluster, so that whoever places one brings all of it: what QEMU's own writer does not do.</remarks>
internal sealed class QcowImage : IGrantingImage
{
    private readonly CachedFile _file;
    private readonly TwoLevelMap _map;
    private readonly TailStore? _store;
    private readonly QcowPacked _chunks;
    private readonly PackedReader _packed;
    private readonly uint _chunkBytes;
    private readonly WriteGuard _guard;

    /// <summary>Opens.</summary>
    /// <exception cref="ImageFormatException">It is not what the format demands, or shall be written and cannot.</exception>
    public QcowImage(ImageSource source, ImageOpenOptions options)
    {
        _file = source.File;
        _guard = new WriteGuard(_file);
        if (options.Writable)
        {
            // What a writer left that was killed may be called a hole until it is on the disk.
            _file.Flush();
        }
        QcowHeader header = QcowHeader.Read(_file);
        _chunkBytes = header.ClusterBytes;
        RangeSet metadata = new(1);
        metadata.TryAdd(0, header.HeaderBytes);
        Expect.That(
            metadata.TryAdd((long)header.DirectoryAt, (long)header.DirectoryBytes), _file, (long)header.DirectoryAt, "a first-level table behind the header", "the header");
        ulong diskBytes = (header.DiskBytes + 511) / 512 * 512;
        TableGeometry geometry = new((long)header.DirectoryAt, header.Tables, 1u << header.TableBits, _chunkBytes, diskBytes);
        _map = new TwoLevelMap(_file, 0, new QcowCodec(header), geometry, metadata);
        TableClaims.Run(_map, (at, expected, found) => throw Expect.Error(_file, at, expected, found));
        _chunks = new QcowPacked(_file, _chunkBytes);
        _packed = new PackedReader(_map, _chunks, options.Unpacked);
        Info = new ImageInfo(QcowDriver.FormatName, diskBytes, _chunkBytes / 512, [_file], [source.Path], BackingOf(header), null, Facts(header))
        {
            ReadOnlyReason = ReadOnlyReasonOf(header),
        };
        if (options.Writable)
        {
            Expect.That(Info.ReadOnlyReason is null, _file, 0, "an image that can be written", Info.ReadOnlyReason ?? "");
            long least = (long)Math.Max(header.DirectoryAt + header.DirectoryBytes, header.BackingEnd);
            options.BeforeWriting?.Invoke(Info.Backing);
            TailSpace space = new(_file, _chunkBytes, long.MaxValue / 2, least);
            if (!options.ForRepair)
            {
                space.Complete();
            }
            _store = new TailStore(_map, null, space);
        }
    }

    public ImageInfo Info { get; }

    public bool Grants => _store?.Pool.Possible == true;

    public Usage Usage => new(
        _store?.Placed ?? 0, _store?.UsedBytes ?? _file.Length, _map.Metadata.TotalBytes, _file.CanGrow ? long.MaxValue : _file.Length);

    private TailStore Store => _store ?? throw new InvalidOperationException("the qcow image is open read-only");

    public ImageExtent Lookup(ulong offset, ulong length) => _map.Lookup(offset, length);

    public void ReadPacked(ulong offset, Span<byte> data) => _packed.Read(offset, data);

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        _guard.RefuseIfFailed();
        PlacedChunks placed = Store.Reserve(wanted.Chunk, wanted.Count, out metadata);
        return new PlacedRun(new ChunkRun(placed.Chunk, placed.Count), new Place(0, (ulong)placed.Offset / 512));
    }

    public void Adopt(PlacedRun run)
    {
        _guard.RefuseIfFailed();
        bool possible = run.Place.Device == 0 && run.Place.Sector <= long.MaxValue / 1024 && run.IsInside(_map.Geometry.Chunks);
        Expect.That(possible, _file, 0, "a place in this image for a chunk of its disk", $"{run.Run.Count} chunks from {run.Run.Chunk} on at {run.Place}");
        Store.Adopt(ToChunks(run));
    }

    public void Abandon(ChunkRun run) => Store.Abandon(run.Chunk, run.Count);

    public PlaceGrant ReservePool(ulong count)
    {
        _guard.RefuseIfFailed();
        return Store.Pool.Reserve(count);
    }

    public void AdoptPool(PlaceGrant grant)
    {
        _guard.RefuseIfFailed();
        Store.Pool.Adopt(grant);
    }

    public ulong Take(PlacedRun run)
    {
        _guard.RefuseIfFailed();
        return Store.Pool.Take(run);
    }

    public void Release(PlaceGrant grant) => Store.Pool.Release(grant);

    public IEnumerable<ByteRange> MetadataIn(IImageFile file) => ReferenceEquals(file, _file) ? _map.Metadata.Ranges() : [];

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        if (runs.IsEmpty)
        {
            return;
        }
        _guard.BeginChange();
        foreach (PlacedRun run in runs)
        {
            Store.Prepare(ToChunks(run));
        }
        Store.WriteNewTables();
        foreach (PlacedRun run in runs)
        {
            Store.Publish(ToChunks(run));
        }
        Store.PublishNewTables();
        _packed.Clear();
        _guard.EndChange();
    }

    public void Flush()
    {
        _guard.BeginChange();
        _store?.Flush();
        _guard.EndChange();
    }

    public bool TryZero(ChunkRun run) => Info.Backing is null && Store.TryZero(run.Chunk, run.Count, 0);

    public void Grow()
    {
    }

    /// <summary>Judges every table, every place and every compressed cluster: qemu-img does not check this format.</summary>
    public CheckReport Check()
    {
        TableCheck check = new();
        RangeSet used = new(1);
        check.Entries(_map, used, _chunks);
        _store?.AddHeld(used);
        _store?.AddFree(used);
        check.Holes(_file.Name, _map, used, DirectoryEnd, _file.Length);
        return check.Report();
    }

    public void Close()
    {
        _guard.BeginChange();
        Store.Close();
        _guard.EndChange();
    }

    /// <summary>Gives back, when it is closed, what its tables do not name: no other record says what is used.</summary>
    public void GiveBackUnnamed()
    {
        TableCheck check = new();
        RangeSet used = new(1);
        check.Entries(_map, used, _chunks);
        if (!check.Errors.Any)
        {
            Store.KeepOnly(Math.Max(used.End, Math.Max(_map.Metadata.End, DirectoryEnd)));
            Store.Survey();
        }
    }

    public void Dispose()
    {
    }

    /// <summary>Byte behind the first-level table, which QEMU writes in pieces of 512 bytes from wherever it starts.</summary>
    private long DirectoryEnd => _map.Geometry.DirectoryAt + ((((long)_map.Geometry.Tables * sizeof(ulong)) + 511) / 512 * 512);

    private static PlacedChunks ToChunks(PlacedRun run) => new(run.Run.Chunk, run.Run.Count, (long)run.Place.Sector * 512);

    private string? ReadOnlyReasonOf(QcowHeader header) =>
        header.IsDirectoryLittleEndian ? "its first-level table is in the byte order of an old Xen; let tapdisk or qemu-img convert it"
        : header.DirectoryAt % sizeof(ulong) != 0 ? "an entry of its first-level table may lie in two sectors"
        : !_file.CanGrow ? "qcow takes its space behind the end of a file, and this is a device"
        : null;

    private BackingReference? BackingOf(QcowHeader header)
    {
        if (header.BackingAt == 0 || header.BackingBytes == 0)
        {
            return null;
        }
        byte[] name = new byte[header.BackingBytes];
        _file.ReadAt(name, (long)header.BackingAt);
        return new BackingReference([Names.Decode(name, _file, (long)header.BackingAt)], null, null, (long)header.BackingAt);
    }

    private static List<KeyValuePair<string, string>> Facts(QcowHeader header)
    {
        List<KeyValuePair<string, string>> facts = [new("cluster size", $"{header.ClusterBytes}")];
        if (header.XenFlags is { } flags)
        {
            facts.Add(new("Xen flags", $"0x{flags:x}"));
        }
        return facts;
    }
}
