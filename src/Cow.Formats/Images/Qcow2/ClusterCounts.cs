// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Qcow2;

/// <summary>A count for each cluster of a file, a byte in groups of eight that are there only where something is counted: a file may be sparse, and
/// what it names may be far apart, in any order. What does not fit into a byte, which is rare, is kept apart.</summary>
/// <remarks>Groups are gathered as they come, and sorted when somebody asks, or when those that came often enough again might be half of them: so
/// count first, then ask.</remarks>
/// <param name="claims">Clusters that count one more: those of metadata, of which there are runs. None is given back meanwhile. Null for none.</param>
internal sealed class ClusterCounts(ClaimedClusters? claims = null)
{
    private const int GroupBits = 3;
    private const ulong Full = byte.MaxValue;
    private const int FewGroups = 1 << 16;

    // The numbers of the groups, and their counts. Not sorted, a number may be there more than once.
    private readonly List<ulong> _indices = [];
    private readonly List<ulong> _groups = [];
    private bool _sorted = true;
    private int _most = FewGroups;

    // How much more often a cluster is counted than its byte, which is full, says.
    private readonly Dictionary<ulong, ulong> _more = [];

    // Where the group is that was asked for last: most ask in order.
    private int _at;

    // From here on the first run of claims is this one, as long as there are so many.
    private (ulong From, ulong First, ulong End, ulong Total) _claim;

    /// <summary>The count of a cluster.</summary>
    public ulong this[ulong cluster]
    {
        get
        {
            Sort();
            ulong count = TryFind(cluster >> GroupBits) ? Unpack(cluster, _groups[_at]) : 0;
            return count + (IsClaimed(cluster) ? 1UL : 0);
        }
    }

    /// <summary>Clusters that are counted, in order, with their counts: one, or a run of those that are only claimed, of which there may be very
    /// many.</summary>
    public IEnumerable<(ulong Cluster, ulong Length, ulong Count)> Used()
    {
        (ulong claimed, ulong end) = ClaimFrom(0);
        foreach ((ulong cluster, ulong count) in UsedInGroups())
        {
            while (claimed < cluster)
            {
                ulong stop = Math.Min(end, cluster);
                yield return (claimed, stop - claimed, 1);
                (claimed, end) = stop < end ? (stop, end) : ClaimFrom(end);
            }
            bool both = claimed == cluster;
            yield return (cluster, 1, both ? count + 1 : count);
            if (both)
            {
                (claimed, end) = claimed + 1 < end ? (claimed + 1, end) : ClaimFrom(end);
            }
        }
        while (claimed < end)
        {
            yield return (claimed, end - claimed, 1);
            (claimed, end) = ClaimFrom(end);
        }
    }

    /// <summary>The cluster behind the last one that is counted.</summary>
    public ulong End() => Used().Aggregate(0UL, static (_, used) => used.Cluster + used.Length);

    /// <summary>Counts a cluster.</summary>
    public void Add(ulong cluster, uint references = 1)
    {
        ulong index = cluster >> GroupBits;
        if (_indices.Count == 0 || _indices[^1] != index)
        {
            if (_indices.Count == _most)
            {
                Sort();
                _most = Math.Max(FewGroups, 2 * _indices.Count);
            }
            _sorted &= _indices.Count == 0 || _indices[^1] < index;
            _indices.Add(index);
            _groups.Add(0);
        }
        _groups[^1] = Plus(_groups[^1], cluster, references);
    }

    /// <summary>The first run of claims from a cluster on; empty, at the end of all clusters, where there is none.</summary>
    private (ulong First, ulong End) ClaimFrom(ulong cluster) => claims?.Next(cluster) ?? (ulong.MaxValue, ulong.MaxValue);

    private IEnumerable<(ulong Cluster, ulong Count)> UsedInGroups()
    {
        Sort();
        for (int i = 0; i < _indices.Count; i++)
        {
            ulong cluster = _indices[i] << GroupBits;
            for (ulong rest = _groups[i]; rest != 0; rest >>= 8, cluster++)
            {
                if ((rest & Full) != 0)
                {
                    yield return (cluster, Unpack(cluster, _groups[i]));
                }
            }
        }
    }

    private ulong Unpack(ulong cluster, ulong group)
    {
        ulong count = (group >> ShiftOf(cluster)) & Full;
        return count == Full ? count + _more[cluster] : count;
    }

    /// <summary>A group in which a cluster is counted so often more.</summary>
    private ulong Plus(ulong group, ulong cluster, ulong references)
    {
        ulong before = (group >> ShiftOf(cluster)) & Full;
        ulong count = Math.Min(before + references, Full);
        if (count == Full)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_more, cluster, out _) += before + references - Full;
        }
        return group + ((count - before) << ShiftOf(cluster));
    }

    private static int ShiftOf(ulong cluster) => (int)(cluster & ((1 << GroupBits) - 1)) * 8;

    /// <summary>Turns to a group.</summary>
    /// <returns>False where there is none.</returns>
    private bool TryFind(ulong index)
    {
        ReadOnlySpan<ulong> indices = CollectionsMarshal.AsSpan(_indices);
        for (int near = _at; near < indices.Length && near <= _at + 1; near++)
        {
            if (indices[near] == index)
            {
                _at = near;
                return true;
            }
        }
        int found = indices.BinarySearch(index);
        _at = found >= 0 ? found : Math.Max(~found - 1, 0);
        return found >= 0;
    }

    private void Sort()
    {
        if (!_sorted)
        {
            Ascending.Sort(_indices, _groups);
            Merge();
            _sorted = true;
        }
    }

    /// <summary>Makes one of those groups that have the same number.</summary>
    private void Merge()
    {
        int kept = 0;
        for (int i = 1; i < _indices.Count; i++)
        {
            if (_indices[i] != _indices[kept])
            {
                kept++;
                (_indices[kept], _groups[kept]) = (_indices[i], _groups[i]);
                continue;
            }
            ulong cluster = _indices[i] << GroupBits;
            for (ulong rest = _groups[i]; rest != 0; rest >>= 8, cluster++)
            {
                _groups[kept] = Plus(_groups[kept], cluster, rest & Full);
            }
        }
        _indices.RemoveRange(kept + 1, _indices.Count - kept - 1);
        _groups.RemoveRange(kept + 1, _groups.Count - kept - 1);
    }

    private bool IsClaimed(ulong cluster)
    {
        if (claims is null)
        {
            return false;
        }
        if (cluster < _claim.From || cluster >= _claim.End || claims.Total != _claim.Total)
        {
            (ulong first, ulong end) = claims.Next(cluster);
            _claim = (cluster, first, end, claims.Total);
        }
        return cluster >= _claim.First;
    }
}
