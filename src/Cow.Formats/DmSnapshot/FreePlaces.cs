// SPDX-License-Identifier: MIT
namespace Cow.Formats.DmSnapshot;

/// <summary>The chunks of the store that nobody was given. The lowest go first: the stock target looks for room only above the highest one
/// that is named, so a low one is the only kind that costs it nothing.</summary>
internal sealed class FreePlaces(DmSnapshotGeometry geometry)
{
    // Runs may contain areas; whoever takes steps over them. Keeping them apart would cost an entry per area of an empty store.
    private readonly RunMap _free = new();

    /// <summary>The lowest run, taken out of the map to be used up; or none.</summary>
    private ChunkRun _lowest;

    /// <summary>The first area at or behind the start of <see cref="_lowest"/>.</summary>
    private ulong _area;

    /// <summary>Chunks of the store, metadata included.</summary>
    public ulong Capacity { get; private set; } = DmSnapshotGeometry.FirstDataChunk;

    /// <summary>The store has so many chunks now. Never fewer than before.</summary>
    public void GrowTo(ulong chunks)
    {
        if (chunks > Capacity)
        {
            _free.Add(Capacity, Capacity, chunks - Capacity);
            Capacity = chunks;
        }
    }

    /// <summary>Takes adjoining chunks.</summary>
    /// <param name="most">How many at most.</param>
    /// <returns>The first one and how many; a count of 0 where none is left.</returns>
    public (ulong Chunk, ulong Count) Take(ulong most)
    {
        while (_lowest.Count > 0 || TryLowest())
        {
            ulong chunk = _lowest.Chunk;
            bool area = chunk == _area;
            ulong count = area ? 1 : Math.Min(Math.Min(most, _lowest.Count), _area - chunk);
            _lowest = new ChunkRun(chunk + count, _lowest.Count - count);
            if (!area)
            {
                return (chunk, count);
            }
            _area = geometry.NextAreaChunk(chunk);
        }
        return (0, 0);
    }

    /// <summary>Puts back what was taken.</summary>
    public void Give(ulong chunk, ulong count)
    {
        PutBackLowest();
        _free.Add(chunk, chunk, count);
    }

    /// <summary>Takes just this chunk.</summary>
    /// <returns>False where it is not free, no data chunk, or outside the store.</returns>
    public bool TryTake(ulong chunk)
    {
        PutBackLowest();
        return chunk < Capacity && !geometry.IsMetadata(chunk) && _free.TryRemove(chunk, 1);
    }

    private bool TryLowest()
    {
        ChunkRun all = new(0, Capacity);
        bool found = _free.TryTakeOut(ref all, out MapRun run);
        _lowest = new ChunkRun(run.Key, run.Count);
        _area = found ? geometry.NextAreaChunk(run.Key - 1) : 0;
        return found;
    }

    /// <summary>Another one may be lower, or is asked for.</summary>
    private void PutBackLowest()
    {
        if (_lowest.Count > 0)
        {
            _free.Add(_lowest.Chunk, _lowest.Chunk, _lowest.Count);
            _lowest = default;
        }
    }
}
