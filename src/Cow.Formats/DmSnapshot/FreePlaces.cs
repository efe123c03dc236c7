// SPDX-License-Identifier: MIT
namespace Cow.Formats.DmSnapshot;

/// <summary>The chunks of the store that nobody was given. The lowest go first: the stock target looks for room only above the highest one
/// that is named, so a low one is the only kind that costs it nothing.</summary>
internal sealed class FreePlaces(DmSnapshotGeometry geometry)
{
    // Runs may contain areas; whoever takes steps over them. Keeping them apart would cost an entry per area of an empty store.
    private readonly RunMap _free = new();

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
        while (_free.TryAtOrAfter(0, out MapRun run))
        {
            if (geometry.IsMetadata(run.Key))
            {
                _free.Remove(run.Key, 1);
                continue;
            }
            ulong count = Math.Min(Math.Min(most, run.Count), geometry.NextAreaChunk(run.Key) - run.Key);
            _free.Remove(run.Key, count);
            return (run.Key, count);
        }
        return (0, 0);
    }

    /// <summary>Puts back what was taken.</summary>
    public void Give(ulong chunk, ulong count) => _free.Add(chunk, chunk, count);

    /// <summary>Takes just this chunk.</summary>
    /// <returns>False where it is not free, no data chunk, or outside the store.</returns>
    public bool TryTake(ulong chunk)
    {
        if (geometry.IsMetadata(chunk) || !_free.TryAt(chunk, out _))
        {
            return false;
        }
        _free.Remove(chunk, 1);
        return true;
    }
}
