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

    /// <summary>Chunks in it.</summary>
    public ulong Chunks { get; private set; }

    /// <summary>Number of the youngest run that was ever added; 0 before the first.</summary>
    public ulong Last { get; private set; }

    /// <summary>Adds runs behind the last one.</summary>
    /// <param name="number">Of the first of them.</param>
    /// <param name="runs">They.</param>
    /// <exception cref="InvalidDataException">The number does not follow the last one: the kernel tells of all, in order.</exception>
    public void Add(ulong number, ReadOnlySpan<PlacedRun> runs)
    {
        if (Count > 0 ? number != Last + 1 : number <= Last)
        {
            throw new InvalidDataException($"place {number} was told after place {Last}");
        }

        _runs.Add(runs);
        Last = number + (ulong)runs.Length - 1;
        foreach (ref readonly PlacedRun run in runs)
        {
            Chunks += run.Run.Count;
        }
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
        foreach (ref readonly PlacedRun run in runs)
        {
            Chunks -= run.Run.Count;
        }

        _runs.Drop(runs.Length);
    }

    /// <summary>Forgets all runs, and gives their memory back: nothing is told any more.</summary>
    public void Clear()
    {
        _runs.Clear();
        Chunks = 0;
    }

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
}
