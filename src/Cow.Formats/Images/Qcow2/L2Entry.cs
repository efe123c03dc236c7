// SPDX-License-Identifier: MIT
using System.Numerics;

namespace Cow.Formats.Images.Qcow2;

/// <summary>An entry of an L2 table: where a cluster of the disk is.</summary>
/// <param name="Raw">The first word.</param>
/// <param name="Bits">The second word, of an extended entry: per subcluster a bit "is at the host offset" (0..31) and a bit "reads zero" (32..63).</param>
internal readonly record struct L2Entry(ulong Raw, ulong Bits)
{
    /// <summary>Bit 0 of the first word, without extended entries.</summary>
    public const ulong Zero = 1;

    private const ulong CompressedFlag = 1UL << 62;

    public bool Copied => (Raw & Qcow2Layout.Copied) != 0;

    public bool IsCompressed => (Raw & CompressedFlag) != 0;

    public bool HasZeroFlag => (Raw & Zero) != 0;

    /// <summary>Byte offset of the cluster in the data file; not of a compressed one.</summary>
    public ulong HostOffset => Raw & Qcow2Layout.OffsetMask;

    /// <summary>Subclusters at the host offset.</summary>
    public uint Allocated => unchecked((uint)Bits);

    /// <summary>Subclusters that read as zeros.</summary>
    public uint Zeroed => (uint)(Bits >> 32);

    /// <summary>Nothing at all is known of the cluster.</summary>
    public bool IsEmpty => Raw == 0 && Bits == 0;

    /// <summary>An entry for a cluster that only it refers to.</summary>
    public static L2Entry Own(ulong hostOffset, ulong bits) => new(hostOffset | Qcow2Layout.Copied, bits);

    /// <summary>A compressed entry.</summary>
    /// <param name="layout">Of the image.</param>
    /// <param name="offset">Byte offset of the first compressed byte.</param>
    /// <param name="length">Compressed bytes.</param>
    public static L2Entry Compressed(Qcow2Layout layout, ulong offset, int length)
    {
        ulong sectors = ((offset & 511) + (ulong)length - 1) / 512;
        return new(CompressedFlag | (sectors << PackedOffsetBits(layout)) | offset, 0);
    }

    /// <summary>Where the bytes of a compressed cluster begin, and how many there may be.</summary>
    public (ulong Offset, ulong Length) Packed(Qcow2Layout layout)
    {
        int bits = PackedOffsetBits(layout);
        ulong offset = Raw & ((1UL << bits) - 1);
        ulong sectors = ((Raw & (CompressedFlag - 1)) >> bits) + 1;
        return (offset, (sectors * 512) - (offset & 511));
    }

    /// <summary>Bits set that mean nothing in such an image.</summary>
    public ulong Reserved(Qcow2Layout layout)
    {
        if (IsCompressed)
        {
            return Raw & Qcow2Layout.Copied;
        }
        ulong known = Qcow2Layout.OffsetMask | Qcow2Layout.Copied | (layout.ZeroFlag ? Zero : 0);
        return Raw & ~known;
    }

    /// <summary>Of a mask of subclusters, how many from <paramref name="sub"/> on are as that one.</summary>
    public static int SameFrom(uint mask, int sub)
    {
        uint shifted = mask >> sub;
        int same = (shifted & 1) != 0 ? BitOperations.TrailingZeroCount(~shifted) : BitOperations.TrailingZeroCount(shifted);
        return Math.Min(same, Qcow2Layout.Subclusters - sub);
    }

    private static int PackedOffsetBits(Qcow2Layout layout) => 62 - (layout.ClusterBits - 8);
}
