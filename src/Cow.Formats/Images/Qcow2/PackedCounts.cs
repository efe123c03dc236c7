// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>Packs counts as they are on the disk, for whoever goes forward through the clusters: what is used may be far apart.</summary>
internal sealed class PackedCounts : IDisposable
{
    private readonly IEnumerator<(ulong Cluster, ulong Length, ulong Count)> _used;
    private readonly int _order;
    private bool _more;

    /// <param name="counts">They do not change meanwhile.</param>
    /// <param name="order">Each takes 2^order bits.</param>
    public PackedCounts(ClusterCounts counts, int order)
    {
        _used = counts.Used().GetEnumerator();
        _order = order;
        _more = _used.MoveNext();
    }

    /// <summary>The first cluster that is counted, of those that <see cref="Any"/> was asked for.</summary>
    public ulong First => _used.Current.Cluster;

    /// <summary>Whether any of these clusters is counted.</summary>
    /// <param name="first">The first; not before that of the last call.</param>
    /// <param name="end">Behind the last.</param>
    public bool Any(ulong first, ulong end)
    {
        while (_more && _used.Current.Cluster + _used.Current.Length <= first)
        {
            _more = _used.MoveNext();
        }
        return _more && Math.Max(_used.Current.Cluster, first) < end;
    }

    /// <summary>Packs the counts of as many clusters as fit.</summary>
    /// <param name="first">Of them; not before those of the last call.</param>
    /// <param name="packed">Is filled.</param>
    public void Pack(ulong first, Span<byte> packed)
    {
        packed.Clear();
        ulong end = first + ((ulong)packed.Length << 3 >> _order);
        for (ulong from = first; from < end && Any(from, end);)
        {
            (ulong cluster, ulong length, ulong count) = _used.Current;
            from = Math.Min(cluster + length, end);
            for (ulong i = Math.Max(cluster, first); i < from; i++)
            {
                Refcounts.SetValue(packed, i - first, _order, count);
            }
        }
    }

    public void Dispose() => _used.Dispose();
}
