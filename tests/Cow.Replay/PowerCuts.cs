// SPDX-License-Identifier: MIT
using Cow.Replay.LogWrites;

namespace Cow.Replay;

/// <summary>Goes through a log once, and has the judge look at what power cuts would have left.</summary>
/// <param name="log">The log.</param>
/// <param name="journal">Is told of the marks.</param>
/// <param name="judge">Judges.</param>
/// <param name="seed">Names the subsets.</param>
internal sealed class PowerCuts(LogWritesLog log, Journal journal, Judge judge, int seed)
{
    /// <summary>Flushes and FUA writes after which the power was cut.</summary>
    public int Points { get; private set; }

    /// <summary>FUA writes among them.</summary>
    public int FuaPoints { get; private set; }

    /// <summary>Subsets of what followed the last flush.</summary>
    public int Subsets { get; private set; }

    /// <summary>Judges after every flush and FUA write, and so many subsets between.</summary>
    /// <param name="image">The device as it was when logging began.</param>
    /// <param name="subsets">How many.</param>
    public void Run(MemoryImage image, int subsets)
    {
        Dictionary<int, int> cuts = ChooseCuts(subsets);
        int applied = 0;
        for (int i = 0; i < log.Entries.Count; i++)
        {
            LogEntry entry = log.Entries[i];
            if (entry.Mark is { } mark)
            {
                journal.Pass(mark);
            }
            for (int n = 0; n < cuts.GetValueOrDefault(i); n++)
            {
                CutBehind(i, image, applied, n);
            }
            if ((entry.Flags & (LogEntryKinds.Flush | LogEntryKinds.Fua)) != 0)
            {
                PointBehind(i, image, ref applied);
            }
        }
    }

    /// <summary>Entries behind which subsets are made, and how many: plain writes, since behind a flush there is nothing to choose.</summary>
    private Dictionary<int, int> ChooseCuts(int subsets)
    {
        int[] writes = [.. Enumerable.Range(0, log.Entries.Count).Where(i => log.Entries[i] is { Mark: null, Length: > 0, IsBarrier: false })];
        Random random = new(seed);
        return Enumerable.Range(0, writes.Length == 0 ? 0 : subsets).Select(_ => writes[random.Next(writes.Length)])
            .GroupBy(i => i).ToDictionary(g => g.Key, g => g.Count());
    }

    private void CutBehind(int index, MemoryImage image, int applied, int turn)
    {
        int safe = Math.Max(log.SafeBefore(index + 1), applied);
        using MemoryImage fork = image.Fork();
        log.Replay(fork, applied, safe);
        log.ReplayCut(fork, safe, index + 1, new Random(unchecked((seed * 31) + (index * 7919) + turn)));
        Look(fork, $"a subset of entries {safe}..{index}, number {turn}");
        Subsets++;
    }

    private void PointBehind(int index, MemoryImage image, ref int applied)
    {
        log.Replay(image, applied, index + 1);
        applied = index + 1;
        using MemoryImage fork = image.Fork();
        Look(fork, $"all up to entry {index} ({log.Entries[index].Flags})");
        Points++;
        FuaPoints += (log.Entries[index].Flags & LogEntryKinds.Fua) != 0 ? 1 : 0;
    }

    private void Look(MemoryImage image, string what)
    {
        try
        {
            judge.Look(image);
        }
        catch (ViolationException e)
        {
            throw new ViolationException($"{what}, of {log.Entries.Count}, after {journal.MarksPassed} marks: {e.Message}");
        }
    }
}
