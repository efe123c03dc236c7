// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>An image between whose answers a kernel takes places of a pool: for about half of the chunks, some of which were allocated another place
/// before. Now and then it gives the rest back.</summary>
internal sealed class PoolTakingImage(IGrantingImage image) : IGrantingImage
{
    // The same for the same calls, so that two runs of one history do the same.
    private readonly Random _random = new(1);

    // Chunks with a place that is not committed.
    private readonly HashSet<ulong> _given = [];
    private PlaceGrant _pool;

    public ImageInfo Info => image.Info;

    public Usage Usage => image.Usage;

    public bool Grants => image.Grants;

    public ImageExtent Lookup(ulong offset, ulong length) => image.Lookup(offset, length);

    public void ReadPacked(ulong offset, Span<byte> data) => image.ReadPacked(offset, data);

    public IEnumerable<ByteRange> MetadataIn(IImageFile file) => image.MetadataIn(file);

    public PlacedRun Reserve(ChunkRun wanted, out ByteRange metadata)
    {
        metadata = default;
        int draw = _given.Contains(wanted.Chunk) ? int.MaxValue : _random.Next(8);
        if (draw == 0 && _pool.Count > 0)
        {
            image.Release(_pool);
            _pool = default;
        }
        if (draw == 1)
        {
            image.Reserve(wanted with { Count = 1 }, out metadata);
        }
        if (draw < 4 && TryTake(wanted.Chunk, out PlacedRun taken))
        {
            // Told when the pool was reserved.
            metadata = Span(metadata, _pool.Metadata);
            return taken;
        }
        PlacedRun placed = image.Reserve(wanted, out metadata);
        Note(placed.Run);
        return placed;
    }

    public void Adopt(PlacedRun run)
    {
        image.Adopt(run);
        Note(run.Run);
    }

    public void Abandon(ChunkRun run)
    {
        image.Abandon(run);
        Forget(run);
    }

    public bool IsGivenUp(ulong chunk) => image.IsGivenUp(chunk);

    public void Commit(ReadOnlySpan<PlacedRun> runs)
    {
        image.Commit(runs);
        foreach (PlacedRun run in runs)
        {
            Forget(run.Run);
        }
    }

    public void Flush() => image.Flush();

    public bool TryZero(ChunkRun run) => image.TryZero(run);

    public void Grow() => image.Grow();

    public CheckReport Check() => image.Check();

    public void Close() => image.Close();

    public PlaceGrant ReservePool(ulong count) => image.ReservePool(count);

    public void AdoptPool(PlaceGrant grant) => image.AdoptPool(grant);

    public ulong Take(PlacedRun run)
    {
        Note(run.Run);
        return image.Take(run);
    }

    public void Release(PlaceGrant grant) => image.Release(grant);

    public void Dispose() => image.Dispose();

    private bool TryTake(ulong chunk, out PlacedRun taken)
    {
        if (_pool.Count == 0)
        {
            _pool = image.ReservePool((ulong)_random.Next(1, 9));
        }
        taken = new PlacedRun(new ChunkRun(chunk, 1), _pool.Place);
        if (_pool.Count == 0)
        {
            return false;
        }
        Take(taken);
        _pool = _pool with { Count = _pool.Count - 1, Place = _pool.Place with { Sector = _pool.Place.Sector + Info.ChunkSectors } };
        return true;
    }

    private static ByteRange Span(ByteRange one, ByteRange other)
    {
        if (one.Length == 0 || other.Length == 0)
        {
            return one.Length == 0 ? other : one;
        }
        long first = Math.Min(one.Offset, other.Offset);
        return new ByteRange(first, Math.Max(one.Offset + one.Length, other.Offset + other.Length) - first);
    }

    private void Note(ChunkRun run)
    {
        for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
        {
            _given.Add(chunk);
        }
    }

    private void Forget(ChunkRun run)
    {
        for (ulong chunk = run.Chunk; chunk < run.End; chunk++)
        {
            _given.Remove(chunk);
        }
    }
}
