// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>An entry of the bitmap directory, without what follows its fixed fields: extra data, the name and padding.</summary>
/// <param name="TableOffset">Byte offset of the bitmap's table.</param>
/// <param name="TableEntries">Words of the table.</param>
/// <param name="Flags">Flags.</param>
/// <param name="Type">Kind of bitmap; there is one.</param>
/// <param name="GranularityBits">Of the bytes of the disk for which one bit stands.</param>
/// <param name="NameBytes">Bytes of its name.</param>
/// <param name="ExtraBytes">Bytes of data that nobody knows so far.</param>
internal readonly record struct BitmapEntry(
    ulong TableOffset, uint TableEntries, uint Flags, byte Type, byte GranularityBits, ushort NameBytes, uint ExtraBytes)
{
    /// <summary>Of the fixed fields.</summary>
    public const int HeadBytes = 24;

    private const uint InUse = 1;
    private const uint ExtraCompatible = 4;
    private const uint KnownFlags = 7;
    private const byte DirtyTracking = 1;
    private const int MaxNameBytes = 1023;

    /// <summary>QEMU holds no larger bitmap in memory.</summary>
    private const ulong MaxBitmapBytes = 512 << 20;

    /// <summary>More than a bitmap of that size needs in the smallest clusters; the tables of damaged entries cost no more than that.</summary>
    private const uint MaxTableEntries = 8 << 20;

    /// <summary>Of the whole entry.</summary>
    public ulong Bytes => (HeadBytes + (ulong)ExtraBytes + NameBytes + 7) & ~7UL;

    /// <summary>Decodes the fixed fields.</summary>
    public static BitmapEntry Read(ReadOnlySpan<byte> head) => new(
        ReadUInt64BigEndian(head), ReadUInt32BigEndian(head[8..]), ReadUInt32BigEndian(head[12..]), head[16], head[17], ReadUInt16BigEndian(head[18..]), ReadUInt32BigEndian(head[20..]));

    /// <summary>For messages.</summary>
    public override string ToString() =>
        $"{TableEntries} table entries at {TableOffset}, flags {Flags:x}, type {Type}, granularity {GranularityBits}, a name of {NameBytes} bytes, extra data of {ExtraBytes}";

    /// <summary>Whether a table may be where the entry says.</summary>
    public bool IsTablePossible(Qcow2Layout layout) =>
        TableOffset != 0 && TableOffset % layout.ClusterBytes == 0 && TableEntries is > 0 and <= MaxTableEntries;

    /// <summary>What the entry would have to be and is not, or null.</summary>
    /// <param name="layout">Of the image.</param>
    /// <param name="diskBytes">Bytes of the disk.</param>
    public string? Fault(Qcow2Layout layout, ulong diskBytes)
    {
        if (TableOffset == 0 || TableOffset % layout.ClusterBytes != 0)
        {
            return "a table that begins a cluster";
        }
        if ((Flags & ~KnownFlags) != 0 || Type != DirtyTracking)
        {
            return "a bitmap without reserved flags, of type 1";
        }
        if (GranularityBits is < 9 or > 31)
        {
            return "a granularity of 9 to 31 bits";
        }
        if (NameBytes is 0 or > MaxNameBytes)
        {
            return $"a name of 1 to {MaxNameBytes} bytes";
        }
        if (ExtraBytes != 0 && (Flags & ExtraCompatible) == 0)
        {
            return "extra data only where others may pass it by";
        }
        return IsSized(layout, diskBytes) ? null : "a table for as many bits as the disk has";
    }

    /// <summary>Who made the disk longer or shorter while the bitmap was in use may not have come to change its table.</summary>
    private bool IsSized(Qcow2Layout layout, ulong diskBytes)
    {
        ulong bits = diskBytes == 0 ? 0 : ((diskBytes - 1) >> GranularityBits) + 1;
        return TableEntries > 0 && (ulong)TableEntries << layout.ClusterBits <= MaxBitmapBytes
            && ((Flags & InUse) != 0 || TableEntries == layout.Clusters((bits + 7) / 8));
    }
}
