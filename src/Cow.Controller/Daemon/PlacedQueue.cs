// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>Runs whose data is at their places and whose metadata is not written yet, in the order of their numbers, which count up by one.</summary>
/// <remarks>PROTOCOL.md section 3. Only what was abandoned may be missing, and then nothing is in the queue.</remarks>
internal sealed class PlacedQueue
{
    private readonly PlacedRuns _runs = new();

    /// <summary>Runs in it.</summary>
    public int Count => _runs.Count;

    /// <summary>Chunks in it. Counts those of all runs: for questions of an operator, not for the fault path.</summary>
    public ulong Chunks
    {
        get
        {
            ulong chunks = 0;
            foreach (ref readonly PlacedRun run in _runs.Runs)
            {
                chunks += run.Run.Count;
            }

            return chunks;
        }
    }

    /// <summary>Number of the youngest run that was ever added; 0 before the first.</summary>
    public ulong Last { get; private set; }

    /// <summary>Where to write runs that are to be added next.</summary>
    /// <param name="most">How many at most.</param>
    public Span<PlacedRun> Room(int most) => _runs.Room(most);

    /// <summary>Adds runs behind the last one, the first ones that were written to <see cref="Room"/>.</summary>
    /// <param name="number">Of the first of them.</param>
    /// <param name="count">How many they are.</param>
    /// <exception cref="InvalidDataException">The number does not follow the last one: the kernel tells of all, in order.</exception>
    public void Add(ulong number, int count)
    {
        if (Count > 0 ? number != Last + 1 : number <= Last)
        {
            throw Unordered(number);
        }

        _runs.Keep(count);
        Last = number + (ulong)count - 1;
    }

    /// <summary>Makes the metadata of the runs numbered up to <paramref name="number"/> durable, oldest first, and forgets them. They stay when the
    /// store throws.</summary>
    public void CommitUpTo(ulong number, ICowFormat format)
    {
        int younger = (int)Math.Min((ulong)Count, Last - Math.Min(Last, number));
        ReadOnlySpan<PlacedRun> runs = _runs.Runs[..^younger];
        if (!runs.IsEmpty)
        {
            format.Commit(runs);
        }

        format.Flush();
        _runs.Drop(runs.Length);
    }

    /// <summary>Forgets all runs, and gives their memory back: nothing is told any more.</summary>
    public void Clear() => _runs.Clear();

    /// <summary>Whether a chunk is in one of the runs. Walks them all: for questions of an operator, not for the fault path.</summary>
    public bool Find(ulong chunk, out PlacedRun found)
    {
        foreach (ref readonly PlacedRun run in _runs.Runs)
        {
            if (chunk >= run.Run.Chunk && chunk < run.Run.End)
            {
                found = run;
                return true;
            }
        }

        found = default;
        return false;
    }

    private InvalidDataException Unordered(ulong number) => new($"place {number} was told after place {Last}");
}
