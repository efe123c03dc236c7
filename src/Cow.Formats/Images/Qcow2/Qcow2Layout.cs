// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>Sizes that follow from the header: powers of two, given as exponents where they shift.</summary>
internal sealed class Qcow2Layout
{
    /// <summary>Subclusters of a cluster with extended L2 entries.</summary>
    public const int Subclusters = 32;

    /// <summary>Bits 9..55 of an L1, L2 or refcount table entry.</summary>
    public const ulong OffsetMask = 0x00ff_ffff_ffff_fe00;

    /// <summary>Bit 63 of an entry of an active table: nobody else refers to what it names.</summary>
    public const ulong Copied = 1UL << 63;

    public Qcow2Layout(Qcow2Header header)
    {
        Extended = header.Has(IncompatibleFeatures.ExtendedL2);
        ZeroFlag = header.Version >= 3 && !Extended;
        ClusterBits = (int)header.ClusterBits;
        ChunkBits = ClusterBits - (Extended ? 5 : 0);
        EntryBits = Extended ? 4 : 3;
        RefcountOrder = (int)header.RefcountOrder;
    }

    /// <summary>L2 entries have a second word.</summary>
    public bool Extended { get; }

    /// <summary>Bit 0 of an L2 entry means zeros.</summary>
    public bool ZeroFlag { get; }

    public int ClusterBits { get; }

    /// <summary>Of a cluster, or of a subcluster with extended L2 entries.</summary>
    public int ChunkBits { get; }

    /// <summary>Of the bytes of an L2 entry.</summary>
    public int EntryBits { get; }

    public int RefcountOrder { get; }

    /// <summary>Of the bytes of the disk that one L2 table maps.</summary>
    public int L1Shift => ClusterBits + L2Bits;

    /// <summary>Of the entries of an L2 table.</summary>
    public int L2Bits => ClusterBits - EntryBits;

    /// <summary>Of the clusters that one refcount block counts.</summary>
    public int BlockBits => ClusterBits + 3 - RefcountOrder;

    public ulong ClusterBytes => 1UL << ClusterBits;

    public ulong ChunkBytes => 1UL << ChunkBits;

    public int L2Entries => 1 << L2Bits;

    public ulong MaxRefcount => RefcountOrder == 6 ? ulong.MaxValue : (1UL << (1 << RefcountOrder)) - 1;

    /// <summary>The first entry of an L2 table, from one on, that is not all zeros; tables are large and mostly empty.</summary>
    /// <returns>False where there is none.</returns>
    public bool TryNextEntry(ReadOnlySpan<byte> table, ref int entry)
    {
        int next = table[(entry << EntryBits)..].IndexOfAnyExcept((byte)0);
        entry += Math.Max(next, 0) >> EntryBits;
        return next >= 0;
    }

    /// <summary>Clusters that hold these bytes.</summary>
    public ulong Clusters(ulong bytes) => (bytes + ClusterBytes - 1) >> ClusterBits;
}
