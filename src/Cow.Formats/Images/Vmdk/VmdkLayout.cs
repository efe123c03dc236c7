// SPDX-License-Identifier: MIT
using System.Numerics;

namespace Cow.Formats.Images.Vmdk;

/// <summary>The extents of an image, one behind the other, and the unit in which they can be placed together.</summary>
internal sealed class VmdkLayout
{
    /// <summary>Sectors of a chunk where there is no grain.</summary>
    private const uint FlatChunkSectors = 128;

    private readonly ulong[] _starts;

    /// <summary>Lays extents out.</summary>
    public VmdkLayout(IReadOnlyList<VmdkExtent> extents)
    {
        Extents = [.. extents];
        _starts = new ulong[Extents.Length];
        for (int i = 0; i < Extents.Length; i++)
        {
            _starts[i] = Bytes;
            Bytes += Extents[i].Bytes;
        }
        ChunkSectors = ChunkOf(out string? reason);
        ReadOnlyReason = Extents.Select(extent => extent.ReadOnlyReason).FirstOrDefault(r => r is not null) ?? reason;
    }

    /// <summary>The extents.</summary>
    public VmdkExtent[] Extents { get; }

    /// <summary>Bytes of the disk.</summary>
    public ulong Bytes { get; }

    /// <summary>Sectors of a chunk: a grain, and every extent begins with a whole one. Where that cannot be the image is read only.</summary>
    public uint ChunkSectors { get; }

    /// <summary>Why it can only be read, or null.</summary>
    public string? ReadOnlyReason { get; }

    /// <summary>The extent at an offset.</summary>
    /// <param name="offset">Byte offset on the disk.</param>
    /// <param name="start">Where the extent starts.</param>
    public VmdkExtent At(ulong offset, out ulong start)
    {
        int low = 0;
        int high = _starts.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = _starts[middle] <= offset ? (middle, high) : (low, middle - 1);
        }
        start = _starts[low];
        return Extents[low];
    }

    private uint ChunkOf(out string? reason)
    {
        uint[] grains = [.. Extents.Select(extent => extent.GrainSectors).Where(sectors => sectors != 0).Distinct()];
        uint wanted = grains.Length == 0 ? FlatChunkSectors : grains.Min();
        ulong starts = _starts.Aggregate(0UL, (all, start) => all | (start / 512));
        uint common = (uint)Math.Min(wanted, 1UL << Math.Min(31, BitOperations.TrailingZeroCount(starts)));
        reason = grains.Length > 1 ? "its extents have grains of different sizes"
            : grains.Length == 1 && common < wanted ? "one of its extents starts in the middle of a grain"
            : null;
        return common;
    }
}
