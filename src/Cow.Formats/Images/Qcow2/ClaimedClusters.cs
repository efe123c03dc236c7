// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>
/// The clusters that metadata occupies: header, tables, blocks, active L2 tables, and the L1 tables of snapshots, whatever their refcounts say.
/// </summary>
/// <remarks>Each cluster is claimed once. So every check that a write of metadata or a place of data meets nothing else is one question, and a
/// table is written only where its own claim is the only one. As QEMU does by default, L2 tables of snapshots are not looked at.</remarks>
internal sealed class ClaimedClusters(string file, Qcow2Layout layout)
{
    private readonly RunMap _claimed = new();

    // No cluster from here on was ever claimed: most claims come in order, and need not be looked for.
    private ulong _end;

    /// <summary>Clusters of metadata.</summary>
    public ulong Total => _claimed.Total;

    /// <summary>What is claimed, in bytes of the file, ascending; what adjoins is one range.</summary>
    public IEnumerable<ByteRange> Ranges()
    {
        for (ulong cluster = 0; _claimed.TryAtOrAfter(cluster, out MapRun run); cluster = run.End)
        {
            yield return new ByteRange((long)(run.Key << layout.ClusterBits), (long)run.Count << layout.ClusterBits);
        }
    }

    /// <summary>Claims the clusters of a piece of metadata.</summary>
    /// <param name="offset">Its byte offset, at the start of a cluster.</param>
    /// <param name="bytes">Its length.</param>
    /// <param name="pointerAt">Byte offset of what names it, for the message.</param>
    /// <param name="what">Its name, for the message.</param>
    /// <exception cref="ImageFormatException">Some of it is claimed already.</exception>
    public void Claim(ulong offset, ulong bytes, ulong pointerAt, string what)
    {
        if (!TryClaim(offset, bytes))
        {
            throw Conflict(offset, pointerAt, what);
        }
    }

    /// <summary>As <see cref="Claim"/>, where many may fail.</summary>
    /// <returns>False where some of it is claimed already: then nothing was done.</returns>
    public bool TryClaim(ulong offset, ulong bytes)
    {
        ulong first = offset >> layout.ClusterBits;
        ulong count = layout.Clusters(bytes);
        if (count > 0 && first < _end && Overlaps(first, count))
        {
            return false;
        }
        _claimed.Add(first, first, count);
        _end = Math.Max(_end, first + count);
        return true;
    }

    /// <summary>What a claim meets that fails.</summary>
    public ImageFormatException Conflict(ulong offset, ulong pointerAt, string what) =>
        new(file, (long)pointerAt, $"a place of its own for {what}", $"clusters of other metadata at {offset}");

    /// <summary>Gives a claim back.</summary>
    public void Release(ulong offset, ulong bytes) => _claimed.Remove(offset >> layout.ClusterBits, layout.Clusters(bytes));

    /// <summary>Whether any of these clusters is claimed.</summary>
    public bool Overlaps(ulong cluster, ulong count) => _claimed.TryAtOrAfter(cluster, out MapRun run) && run.Key < cluster + count;

    /// <summary>The first claimed run at or behind a cluster; empty, at the end of all clusters, where there is none.</summary>
    public (ulong First, ulong End) Next(ulong cluster) =>
        _claimed.TryAtOrAfter(cluster, out MapRun run) ? (run.Key, run.End) : (ulong.MaxValue, ulong.MaxValue);
}
