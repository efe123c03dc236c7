// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>A count for each cluster of a file, in pages that are there only where something is counted: a file may be sparse.</summary>
internal sealed class ClusterCounts
{
    private const int PageBits = 8;

    private readonly Dictionary<ulong, uint[]> _pages = [];
    private ulong _lastIndex = ulong.MaxValue;
    private uint[] _last = [];

    /// <summary>The count of a cluster.</summary>
    public ulong this[ulong cluster] => TryPage(cluster >> PageBits) ? _last[cluster & ((1 << PageBits) - 1)] : 0;

    /// <summary>Clusters that are counted, in order.</summary>
    public IEnumerable<ulong> Used()
    {
        foreach (ulong page in _pages.Keys.Order())
        {
            uint[] counts = _pages[page];
            for (int i = 0; i < counts.Length; i++)
            {
                if (counts[i] != 0)
                {
                    yield return (page << PageBits) + (ulong)i;
                }
            }
        }
    }

    /// <summary>The cluster behind the last one that is counted.</summary>
    public ulong End()
    {
        ulong last = _pages.Count == 0 ? 0 : _pages.Keys.Max();
        return _pages.Count == 0 ? 0 : (last << PageBits) + (ulong)Array.FindLastIndex(_pages[last], c => c != 0) + 1;
    }

    /// <summary>Counts a cluster; does not overflow.</summary>
    public void Add(ulong cluster, uint references = 1)
    {
        if (!TryPage(cluster >> PageBits))
        {
            (_lastIndex, _last) = (cluster >> PageBits, new uint[1 << PageBits]);
            _pages.Add(_lastIndex, _last);
        }
        ref uint count = ref _last[cluster & ((1 << PageBits) - 1)];
        count = (uint)Math.Min((ulong)count + references, uint.MaxValue);
    }

    private bool TryPage(ulong index)
    {
        if (index == _lastIndex)
        {
            return true;
        }
        if (!_pages.TryGetValue(index, out uint[]? page))
        {
            return false;
        }
        (_lastIndex, _last) = (index, page);
        return true;
    }
}
