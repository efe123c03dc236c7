// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>A count for each cluster of a file, a byte in groups of eight that are there only where something is counted: a file may be sparse, and
/// what it names may be far apart. Counts that fill a byte, which are few, are kept apart.</summary>
/// <param name="claims">Clusters that count one more: those of metadata, of which there are runs. None is given back meanwhile. Null for none.</param>
internal sealed class ClusterCounts(ClaimedClusters? claims = null)
{
    private const int GroupBits = 3;
    private const ulong Full = byte.MaxValue;

    private readonly Dictionary<ulong, ulong> _groups = [];
    private readonly Dictionary<ulong, uint> _large = [];

    // The group that was asked for last. Where it changed, the dictionary does not know that yet.
    private ulong _index = ulong.MaxValue;
    private ulong _group;
    private bool _changed;

    // From here on the first run of claims is this one, as long as there are so many.
    private (ulong From, ulong First, ulong End, ulong Total) _claim;

    /// <summary>The count of a cluster.</summary>
    public ulong this[ulong cluster]
    {
        get
        {
            ulong count = Turn(cluster >> GroupBits, add: false) ? Unpack(cluster, _group) : 0;
            return count + (IsClaimed(cluster) ? 1UL : 0);
        }
    }

    /// <summary>Clusters that are counted, in order, with their counts.</summary>
    public IEnumerable<(ulong Cluster, ulong Count)> Used()
    {
        (ulong claim, ulong end) = NextClaim(0);
        foreach ((ulong cluster, ulong count) in UsedInGroups())
        {
            while (claim < cluster)
            {
                yield return (claim, 1);
                (claim, end) = claim + 1 < end ? (claim + 1, end) : NextClaim(end);
            }
            yield return (cluster, claim == cluster ? count + 1 : count);
            if (claim == cluster)
            {
                (claim, end) = claim + 1 < end ? (claim + 1, end) : NextClaim(end);
            }
        }
        while (claim != ulong.MaxValue)
        {
            yield return (claim, 1);
            (claim, end) = claim + 1 < end ? (claim + 1, end) : NextClaim(end);
        }
    }

    /// <summary>The cluster behind the last one that is counted.</summary>
    public ulong End() => Used().Aggregate(0UL, static (_, used) => used.Cluster + 1);

    /// <summary>Counts a cluster; does not overflow.</summary>
    public void Add(ulong cluster, uint references = 1)
    {
        Turn(cluster >> GroupBits, add: true);
        ulong before = (_group >> ShiftOf(cluster)) & Full;
        ulong count = (before == Full ? _large[cluster] : before) + references;
        if (count >= Full)
        {
            _large[cluster] = (uint)Math.Min(count, uint.MaxValue);
            count = Full;
        }
        _group += (count - before) << ShiftOf(cluster);
        _changed = true;
    }

    private IEnumerable<(ulong Cluster, ulong Count)> UsedInGroups()
    {
        Store();
        ulong[] indices = [.. _groups.Keys];
        Array.Sort(indices);
        foreach (ulong index in indices)
        {
            ulong group = _groups[index];
            for (ulong cluster = index << GroupBits; cluster < (index + 1) << GroupBits; cluster++)
            {
                if (((group >> ShiftOf(cluster)) & Full) != 0)
                {
                    yield return (cluster, Unpack(cluster, group));
                }
            }
        }
    }

    private ulong Unpack(ulong cluster, ulong group)
    {
        ulong count = (group >> ShiftOf(cluster)) & Full;
        return count == Full ? _large[cluster] : count;
    }

    private static int ShiftOf(ulong cluster) => (int)(cluster & ((1 << GroupBits) - 1)) * 8;

    /// <summary>Turns to a group.</summary>
    /// <returns>False where there is none.</returns>
    private bool Turn(ulong index, bool add)
    {
        if (index == _index)
        {
            return true;
        }
        bool found = _groups.TryGetValue(index, out ulong group);
        if (found || add)
        {
            Store();
            (_index, _group) = (index, group);
        }
        return found || add;
    }

    private void Store()
    {
        if (_changed)
        {
            _groups[_index] = _group;
            _changed = false;
        }
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

    private (ulong First, ulong End) NextClaim(ulong cluster) => claims?.Next(cluster) ?? (ulong.MaxValue, ulong.MaxValue);
}
