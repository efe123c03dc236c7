// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Tables;

/// <summary>Adds the tables of a map to its <see cref="TwoLevelMap.Metadata"/>, and those of a redundant map. In the order of the file, whatever the
/// directories have: there may be millions.</summary>
internal sealed class TableClaims
{
    /// <summary>Entries of directories at most that name a table: 8 TiB with tables for 2 MiB, as qcow and COWD have them, 64 with those of VMDK and
    /// their redundant copies.</summary>
    private const int MostTables = 4 << 20;

    /// <summary>Pieces of the file at most that the tables lie in, since each takes 20 bytes of memory. Tables made at once are one piece.</summary>
    private const ulong MostPieces = 4 << 20;

    /// <summary>In bit 0 of a place, which begins a sector: a redundant table is there.</summary>
    private const ulong Redundant = 1;

    private readonly TwoLevelMap _map;
    private readonly List<ulong> _places = [];
    private readonly List<ulong> _redundant = [];

    // Those of both that meet something else.
    private readonly List<ulong> _taken = [];

    private TableClaims(TwoLevelMap map) => _map = map;

    /// <summary>Is told what is wrong with an entry of a directory: its byte offset, what was expected, and the entry.</summary>
    public delegate void Problem(long entryAt, string expected, ulong entry);

    /// <summary>Claims.</summary>
    /// <param name="map">The map.</param>
    /// <param name="problem">Told of each entry that names no table inside the file, or one where something else is. Such a table is not added.</param>
    /// <param name="redundant">A map of the same geometry. Where tables of both meet, that of this one is wrong.</param>
    /// <param name="redundantProblem">Told of its entries.</param>
    public static void Run(TwoLevelMap map, Problem problem, TwoLevelMap? redundant = null, Problem? redundantProblem = null)
    {
        TableClaims claims = new(map);
        claims.Gather(map, claims._places, 0, problem);
        if (redundant is not null)
        {
            claims.Gather(redundant, claims._redundant, Redundant, redundantProblem!);
        }
        claims.Claim();
        claims.Tell(map, 0, problem);
        if (redundant is not null)
        {
            claims.Tell(redundant, Redundant, redundantProblem!);
        }
    }

    private void Gather(TwoLevelMap map, List<ulong> places, ulong mark, Problem problem)
    {
        map.ForEachDirectoryEntry((entryAt, entry) =>
        {
            long at = map.Codec.TableOffset(entry);
            if (_places.Count + _redundant.Count == MostTables)
            {
                throw Expect.Error(map.File, entryAt, $"{MostTables} tables at most, redundant ones among them", entry);
            }
            if (at <= 0 || !map.Reaches(at, map.TableBytes))
            {
                problem(entryAt, "a table inside the file", entry);
                return;
            }
            places.Add((ulong)at | mark);
        });
        Ascending.Sort(places);
    }

    private void Claim()
    {
        RequireFewPieces();
        ulong last = 0;
        foreach (ulong place in InOrder())
        {
            if (last == 0 || OffsetOf(place) >= OffsetOf(last) + _map.TableBytes)
            {
                Add(last);
                last = place;
            }
            else if ((last & Redundant) > (place & Redundant))
            {
                _taken.Add(last);
                last = place;
            }
            else
            {
                _taken.Add(place);
            }
        }
        Add(last);
        _taken.Sort();
    }

    private void RequireFewPieces()
    {
        ulong pieces = 0;
        long end = 0;
        foreach (ulong place in InOrder())
        {
            pieces += OffsetOf(place) > end ? 1UL : 0;
            end = OffsetOf(place) + _map.TableBytes;
        }
        Expect.That(pieces <= MostPieces, _map.File, _map.Geometry.DirectoryAt, $"tables in {MostPieces} pieces of the file at most", pieces);
    }

    private IEnumerable<ulong> InOrder()
    {
        int redundant = 0;
        foreach (ulong place in _places)
        {
            for (; redundant < _redundant.Count && _redundant[redundant] < place; redundant++)
            {
                yield return _redundant[redundant];
            }
            yield return place;
        }
        for (; redundant < _redundant.Count; redundant++)
        {
            yield return _redundant[redundant];
        }
    }

    private void Add(ulong place)
    {
        if (place != 0 && !_map.Metadata.TryAdd(OffsetOf(place), _map.TableBytes))
        {
            _taken.Add(place);
        }
    }

    private void Tell(TwoLevelMap map, ulong mark, Problem problem)
    {
        if (_taken.Count == 0)
        {
            return;
        }
        map.ForEachDirectoryEntry((entryAt, entry) =>
        {
            if (_taken.BinarySearch(unchecked((ulong)map.Codec.TableOffset(entry)) | mark) >= 0)
            {
                problem(entryAt, "a table that overlaps neither the header nor another table", entry);
            }
        });
    }

    private static long OffsetOf(ulong place) => (long)(place & ~Redundant);
}
