// SPDX-License-Identifier: MIT
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// Which committed runs become <c>linear</c> lines. Pure: the same runs and budget give the same table.
/// </summary>
/// <remarks>
/// A flush costs one bio for each line, so there is a budget of lines, and the longest runs are worth theirs most. Every access searches the table: with
/// 64 lines that costs nearly what one that need not ask the map saves, so a short run is not worth a line. Stretches that read from base or from a layer stay in <c>cow</c> lines, since a write to them has to fault. Every line starts on the chunk grid.
/// </remarks>
internal static class TablePlanner
{
    public const int DefaultSegments = 64;

    /// <summary>Where nobody asked for a number of lines, a run becomes one only if it is at least this part of the device for each line that it adds.</summary>
    public const ulong WorthPart = 100;

    /// <summary>Plans the table of a device.</summary>
    /// <param name="geometry">The device.</param>
    /// <param name="committed">Committed runs in ascending order, none overlapping.</param>
    /// <param name="segments">Lines at most.</param>
    /// <param name="worth">Chunks that a run must have for each line that it adds.</param>
    public static List<PlannedLine> Plan(ChunkGeometry geometry, IReadOnlyList<PlacedRun> committed, int segments, ulong worth = 0)
    {
        List<PlacedRun> runs = Merge(geometry, committed);
        bool[] chosen = Choose(geometry, runs, segments, worth);
        return Lines(geometry, runs, chosen);
    }

    /// <summary>Chunks that the <c>linear</c> lines of a table cover.</summary>
    public static ulong CollapsedChunks(ChunkGeometry geometry, IReadOnlyList<PlannedLine> lines)
    {
        ulong chunks = 0;
        foreach (PlannedLine line in lines)
        {
            chunks += line.Linear ? ((line.Length - 1) / geometry.ChunkSectors) + 1 : 0;
        }

        return chunks;
    }

    private static List<PlacedRun> Merge(ChunkGeometry geometry, IReadOnlyList<PlacedRun> committed)
    {
        var runs = new List<PlacedRun>(committed.Count);
        foreach (PlacedRun run in committed)
        {
            if (runs.Count > 0 && Adjoins(geometry, runs[^1], run))
            {
                runs[^1] = runs[^1] with { Run = new ChunkRun(runs[^1].Run.Chunk, runs[^1].Run.Count + run.Run.Count) };
            }
            else
            {
                runs.Add(run);
            }
        }

        return runs;
    }

    private static bool Adjoins(ChunkGeometry geometry, in PlacedRun before, in PlacedRun after) =>
        before.Run.End == after.Run.Chunk
        && before.Place.Device == after.Place.Device
        && before.Place.Sector + (before.Run.Count * geometry.ChunkSectors) == after.Place.Sector;

    /// <summary>Longest first. What a run costs depends on its neighbours: between two cow stretches it adds two lines, at the edge of one it adds
    /// one, and where it fills the last gap it adds none; so a run that was too dear may become cheap and is looked at again.</summary>
    private static bool[] Choose(ChunkGeometry geometry, List<PlacedRun> runs, int segments, ulong worth)
    {
        var chosen = new bool[runs.Count];
        int[] order = [.. Enumerable.Range(0, runs.Count)
            .OrderByDescending(i => runs[i].Run.Count).ThenBy(i => runs[i].Run.Chunk)];
        int lines = 1;
        bool again = true;
        while (again)
        {
            again = false;
            foreach (int i in order)
            {
                int cost = chosen[i] ? 0 : Cost(geometry, runs, chosen, i);
                if (!chosen[i] && lines + cost <= Math.Max(segments, 1) && runs[i].Run.Count >= worth * (ulong)cost)
                {
                    chosen[i] = true;
                    lines += cost;
                    again = true;
                }
            }
        }

        return chosen;
    }

    private static int Cost(ChunkGeometry geometry, List<PlacedRun> runs, bool[] chosen, int i)
    {
        bool cowBefore = i > 0 && chosen[i - 1]
            ? runs[i - 1].Run.End != runs[i].Run.Chunk
            : runs[i].Run.Chunk != 0;
        bool cowAfter = i + 1 < runs.Count && chosen[i + 1]
            ? runs[i + 1].Run.Chunk != runs[i].Run.End
            : runs[i].Run.End != geometry.Chunks;
        return (cowBefore ? 1 : 0) + (cowAfter ? 1 : 0);
    }

    private static List<PlannedLine> Lines(ChunkGeometry geometry, List<PlacedRun> runs, bool[] chosen)
    {
        var lines = new List<PlannedLine>();
        ulong at = 0;
        for (int i = 0; i < runs.Count; i++)
        {
            if (!chosen[i])
            {
                continue;
            }

            ulong start = geometry.SectorOf(runs[i].Run.Chunk);
            AddCow(lines, at, start);
            ulong length = geometry.SectorsOf(runs[i].Run);
            lines.Add(new PlannedLine(start, length, Linear: true, runs[i].Place.Device, runs[i].Place.Sector));
            at = start + length;
        }

        AddCow(lines, at, geometry.Sectors);
        return lines;
    }

    private static void AddCow(List<PlannedLine> lines, ulong from, ulong to)
    {
        if (to > from)
        {
            lines.Add(new PlannedLine(from, to - from, Linear: false, 0, 0));
        }
    }
}
