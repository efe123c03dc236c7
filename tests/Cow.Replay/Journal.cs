// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Replay;

/// <summary>
/// What tests/vm/synced.c says that it wrote, and which mark of the log promises what.
/// </summary>
/// <remarks>
/// Lines: <c>W version block count</c>, written before the write; <c>D mark version...</c>: when the log has this mark,
/// these writes had been acknowledged as durable.
/// </remarks>
internal sealed class Journal
{
    private readonly Dictionary<ulong, (ulong Block, ulong Count)> _writes = [];
    private readonly Dictionary<ulong, HashSet<ulong>> _issued = [];
    private readonly Dictionary<string, ulong[]> _marks = [];
    private readonly Dictionary<ulong, ulong> _durable = [];

    /// <summary>Writes issued.</summary>
    public int Writes => _writes.Count;

    /// <summary>Marks in the journal.</summary>
    public int Marks => _marks.Count;

    /// <summary>Marks met so far.</summary>
    public int MarksPassed { get; private set; }

    /// <summary>Per block, the version that must not be lost at this point of the log; blocks without one are not in it.</summary>
    public IReadOnlyDictionary<ulong, ulong> Durable => _durable;

    public static Journal Read(string path)
    {
        Journal journal = new();
        foreach (string line in File.ReadLines(path))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case ["W", string version, string block, string count]:
                    journal.Issue(Number(version), Number(block), Number(count));
                    break;
                case ["D", string mark, .. string[] versions]:
                    journal._marks.Add(mark, [.. versions.Select(Number)]);
                    break;
                default:
                    throw new InvalidDataException($"{path}: no line of a journal: {line}");
            }
        }
        return journal;
    }

    /// <summary>Whether this version was ever written to this block.</summary>
    public bool Issued(ulong block, ulong version) => _issued.TryGetValue(block, out HashSet<ulong>? versions) && versions.Contains(version);

    /// <summary>The log has this mark: what it promises counts from here on. Marks of others count for nothing.</summary>
    public void Pass(string mark)
    {
        if (!_marks.TryGetValue(mark, out ulong[]? versions))
        {
            return;
        }
        MarksPassed++;
        foreach (ulong version in versions)
        {
            (ulong first, ulong count) = _writes[version];
            for (ulong block = first; block < first + count; block++)
            {
                _durable[block] = Math.Max(version, _durable.GetValueOrDefault(block));
            }
        }
    }

    private void Issue(ulong version, ulong block, ulong count)
    {
        _writes.Add(version, (block, count));
        for (ulong b = block; b < block + count; b++)
        {
            if (!_issued.TryGetValue(b, out HashSet<ulong>? versions))
            {
                _issued.Add(b, versions = []);
            }
            versions.Add(version);
        }
    }

    private static ulong Number(string word) => ulong.Parse(word, CultureInfo.InvariantCulture);
}
