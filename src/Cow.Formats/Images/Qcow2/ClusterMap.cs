// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>Says where parts of the disk are, by an L1 table and its L2 tables. Writes nothing.</summary>
/// <param name="store">The image.</param>
/// <param name="active">The L1 table is the active one, in which COPIED has a meaning.</param>
internal sealed class ClusterMap(Qcow2Store store, bool active)
{
    /// <summary>Bytes of L2 entries read at once when an answer may be long.</summary>
    private const int BatchBytes = 4096;

    /// <summary>Tables that are remembered at most.</summary>
    private const int MostWhole = 1024;

    private readonly Qcow2Layout _layout = store.Layout;

    // What tables hold that hold one thing throughout: many L1 entries may name one. Not where tables change.
    private readonly Dictionary<ulong, ImageExtent> _whole = [];

    // The others, by the first byte of the disk that they speak of.
    private readonly SeenPlaces _tables = new((long)store.Layout.ClusterBytes);
    private readonly int _file = store.DataFile is null ? Qcow2Store.ImageFileIndex : Qcow2Store.DataFileIndex;
    private readonly bool _external = store.DataFile is not null;

    // Claims are made only by a writer, and only data in the same file can meet them.
    private readonly bool _claims = store.Writable && store.DataFile is null;

    /// <summary>See <see cref="IDiskImage.Lookup"/>; the length does not reach behind the disk.</summary>
    /// <param name="l1">Byte offset of the L1 table.</param>
    /// <param name="offset">Byte offset on the disk.</param>
    /// <param name="length">Bytes of interest.</param>
    public ImageExtent Lookup(ulong l1, ulong offset, ulong length)
    {
        ulong slot = offset >> _layout.L1Shift;
        ulong table = TableAt(store, l1 + (slot * 8));
        ulong end = (slot + 1) << _layout.L1Shift;
        if (table == 0)
        {
            return Below(l1, slot, offset, length);
        }
        ulong most = length;
        length = Math.Min(length, end - offset);
        if (length <= _layout.ClusterBytes - (offset & (_layout.ClusterBytes - 1)))
        {
            ulong at = EntryAt(table, offset);
            return Clip(InCluster(ReadEntry(at), offset, at), length);
        }
        ImageExtent found = InWhole(table, offset, length);
        return found.Kind == ImageExtentKind.Below && found.Length >= length ? Below(l1, slot, offset, most) : Clip(found, length);
    }

    /// <summary>The table that the L1 entry at a byte offset names, 0 for none.</summary>
    /// <exception cref="ImageFormatException">The entry is none.</exception>
    public static ulong TableAt(Qcow2Store store, ulong entryAt) => TableOf(store, store.File.Read64(entryAt), entryAt);

    /// <summary>The table that an L1 entry names, 0 for none.</summary>
    /// <exception cref="ImageFormatException">The entry is none.</exception>
    public static ulong TableOf(Qcow2Store store, ulong entry, ulong entryAt)
    {
        return IsTable(store, entry) ? entry & Qcow2Layout.OffsetMask : throw store.Corrupt(entryAt, "an L1 entry that names a whole cluster of the file", $"{entry:x}");
    }

    /// <summary>Whether an L1 entry is empty, or names a whole cluster of the file behind the header. Nobody makes a table that the file's end cuts: what is
    /// missing was lost, and zeros instead of it would be wrong data.</summary>
    public static bool IsTable(Qcow2Store store, ulong entry)
    {
        ulong table = entry & Qcow2Layout.OffsetMask;
        bool reserved = (entry & ~(Qcow2Layout.OffsetMask | Qcow2Layout.Copied)) != 0;
        return entry == 0 || (!reserved && table != 0 && (table & (store.Layout.ClusterBytes - 1)) == 0 && store.File.Reaches(table + store.Layout.ClusterBytes - 1));
    }

    /// <summary>Byte offset of a cluster's entry in its table.</summary>
    public ulong EntryAt(ulong table, ulong offset) =>
        table + (((offset >> _layout.ClusterBits) & ((ulong)_layout.L2Entries - 1)) << _layout.EntryBits);

    /// <summary>The entry at a byte offset.</summary>
    public L2Entry ReadEntry(ulong at) => _layout.Extended ? ReadExtended(at) : new L2Entry(store.File.Read64(at), 0);

    /// <summary>The chunk at an offset and those after it in the same cluster that are as it is.</summary>
    /// <param name="entry">The entry of its cluster.</param>
    /// <param name="offset">Byte offset on the disk.</param>
    /// <param name="entryAt">Byte offset of the entry, for messages.</param>
    /// <exception cref="ImageFormatException">The entry is none.</exception>
    public ImageExtent InCluster(L2Entry entry, ulong offset, ulong entryAt)
    {
        if (Fault(entry, offset, _claims ? store.Claims : null) is { } fault)
        {
            throw store.Corrupt(entryAt, fault, entry.Bits == 0 ? $"{entry.Raw:x}" : $"{entry.Raw:x} {entry.Bits:x}");
        }
        ulong within = offset & (_layout.ClusterBytes - 1);
        ulong rest = _layout.ClusterBytes - within;
        if (entry.IsCompressed)
        {
            return new ImageExtent(rest, ImageExtentKind.Packed);
        }
        if (_layout.Extended)
        {
            return InExtended(entry, within);
        }
        if (entry.HasZeroFlag)
        {
            return new ImageExtent(rest, ImageExtentKind.Zero);
        }
        return IsAllocated(entry) ? DataAt(entry, within, rest) : new ImageExtent(rest, ImageExtentKind.Below);
    }

    /// <summary>What an entry that is read would have to be and is not, or null.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="offset">Byte offset on the disk.</param>
    /// <param name="claims">Where metadata is, as far as that is known.</param>
    public string? Fault(L2Entry entry, ulong offset, ClaimedClusters? claims)
    {
        if (entry.Reserved(_layout) != 0)
        {
            return "an L2 entry without reserved bits";
        }
        if (entry.IsCompressed)
        {
            return PackedFault(entry, claims);
        }
        bool allocated = IsAllocated(entry);
        if ((entry.Allocated & entry.Zeroed) != 0 || (!allocated && entry.Allocated != 0))
        {
            return "subclusters either allocated, in a host cluster, or zero";
        }
        bool data = _layout.Extended ? entry.Allocated != 0 : allocated && !entry.HasZeroFlag;
        return data ? DataFault(entry, offset, claims) : null;
    }

    /// <summary>What the host cluster of an allocated entry would have to be and is not, or null.</summary>
    public string? DataFault(L2Entry entry, ulong offset, ClaimedClusters? claims)
    {
        ulong host = entry.HostOffset;
        if (_external)
        {
            return host == (offset & ~(_layout.ClusterBytes - 1)) ? null : "data at the offset that it has on the disk";
        }
        if (host == 0 || (host & (_layout.ClusterBytes - 1)) != 0 || !store.File.Reaches(host))
        {
            return "data in a cluster of the file behind the header";
        }
        return claims is not null && claims.Overlaps(host >> _layout.ClusterBits, 1) ? "data apart from all metadata" : null;
    }

    /// <summary>Whether the entry names a host cluster that the chunk may be put in, nobody else being there: a preallocated one.</summary>
    /// <exception cref="ImageFormatException">It names a cluster where no data can be.</exception>
    public bool HasOwnPlace(L2Entry entry, ulong offset, ulong entryAt)
    {
        if (entry.IsCompressed || !entry.Copied || !IsAllocated(entry))
        {
            return false;
        }
        if (DataFault(entry, offset, _claims ? store.Claims : null) is { } fault)
        {
            throw store.Corrupt(entryAt, fault, $"{entry.Raw:x}");
        }
        return true;
    }

    /// <summary>Whether the entry names a host cluster. In an external data file the first is at 0, which then COPIED tells.</summary>
    public static bool IsAllocated(L2Entry entry) => entry.HostOffset != 0 || entry.Copied;

    /// <summary>Decodes the words of an entry.</summary>
    public L2Entry Decode(ReadOnlySpan<byte> words) => new(ReadUInt64BigEndian(words), _layout.Extended ? ReadUInt64BigEndian(words[8..]) : 0);

    // Inlined: handing extents over in memory would take a fifth of a lookup.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ImageExtent Clip(ImageExtent extent, ulong length) => extent.Length <= length ? extent : extent with { Length = length };

    /// <summary>Nothing, to the end of a table and of those behind it that are not there, or are holes of the file.</summary>
    private ImageExtent Below(ulong l1, ulong slot, ulong offset, ulong length)
    {
        ulong last = (offset + length - 1) >> _layout.L1Shift;
        for (int more = 0; more < IDiskImage.MostEmptyTables && slot < last; more++)
        {
            ulong nextAt = l1 + ((slot + 1) * 8);
            // Millions of entries may lie in a hole. It is asked for once in a page, since no hole begins within one.
            ulong hole = nextAt % MetadataCache.PageBytes == 0 ? Math.Min(store.File.WordsOfHole(nextAt), last - slot) : 0;
            if (hole == 0 && !IsEmpty(store.File.Read64(nextAt)))
            {
                break;
            }
            slot += Math.Max(hole, 1);
        }
        return new ImageExtent(Math.Min(length, ((slot + 1) << _layout.L1Shift) - offset), ImageExtentKind.Below);
    }

    private bool IsEmpty(ulong entry) =>
        entry == 0 || (IsTable(store, entry) && store.File.IsHole(entry & Qcow2Layout.OffsetMask, _layout.ClusterBytes));

    /// <summary>As <see cref="InTable"/>, without a look at a table that is known to hold one thing throughout.</summary>
    private ImageExtent InWhole(ulong table, ulong offset, ulong length)
    {
        ulong bytes = 1UL << _layout.L1Shift;
        if (_whole.TryGetValue(table, out ImageExtent whole))
        {
            long within = whole.Kind is ImageExtentKind.Data or ImageExtentKind.Shared ? (long)(offset & (bytes - 1)) : 0;
            return whole with { Length = length, Offset = whole.Offset + within };
        }
        ulong start = offset & ~(bytes - 1);
        if (!store.Writable && !_tables.IsOwn((long)table, start))
        {
            throw new ImageFormatException(store.File.Name, (long)table, $"an L2 table of one entry, for disk offset {start}", "a table that another entry names");
        }
        ImageExtent found = InTable(table, offset, length);
        // In an external data file a table is right for one L1 entry only.
        if (found.Length == bytes && !store.Writable && !_external)
        {
            if (_whole.Count == MostWhole)
            {
                _whole.Clear();
            }
            _whole.Add(table, found);
        }
        return found;
    }

    /// <summary>The longest run of one kind, inside one table.</summary>
    private ImageExtent InTable(ulong table, ulong offset, ulong length)
    {
        Span<byte> batch = stackalloc byte[BatchBytes];
        ImageExtent head = default;
        ulong done = 0;
        while (done < length)
        {
            ulong at = EntryAt(table, offset + done);
            ulong clusters = _layout.Clusters(length - done + ((offset + done) & (_layout.ClusterBytes - 1)));
            Span<byte> entries = batch[..(int)Math.Min(BatchBytes, clusters << _layout.EntryBits)];
            if (done > 0 && head.Kind == ImageExtentKind.Below && store.File.IsHole(at, (ulong)entries.Length))
            {
                done = Math.Min(length, done + ((ulong)(entries.Length >> _layout.EntryBits) << _layout.ClusterBits));
                continue;
            }
            store.File.Read(entries, at);
            if (!Extend(entries, at, offset, length, ref done, ref head))
            {
                break;
            }
        }
        return head with { Length = done };
    }

    /// <summary>Follows a run through a batch of entries.</summary>
    /// <returns>Whether it may go on behind them.</returns>
    private bool Extend(ReadOnlySpan<byte> entries, ulong at, ulong offset, ulong length, ref ulong done, ref ImageExtent head)
    {
        for (int i = 0; i < entries.Length && done < length;)
        {
            if (done > 0 && head.Kind == ImageExtentKind.Below && SkipEmpty(entries, offset, ref i, ref done))
            {
                continue;
            }
            L2Entry entry = Decode(entries[i..]);
            if (done > 0 && Fault(entry, offset + done, _claims ? store.Claims : null) is not null)
            {
                // What lies before it can be read all the same.
                return false;
            }
            ImageExtent next = InCluster(entry, offset + done, at + (ulong)i);
            if (done == 0)
            {
                head = next;
            }
            else if (!Follows(head, next, done))
            {
                return false;
            }
            done += next.Length;
            if (head.Kind == ImageExtentKind.Packed)
            {
                return false;
            }
            i += ((offset + done) & (_layout.ClusterBytes - 1)) == 0 ? 1 << _layout.EntryBits : 0;
        }
        return true;
    }

    private bool SkipEmpty(ReadOnlySpan<byte> entries, ulong offset, ref int i, ref ulong done)
    {
        if (((offset + done) & (_layout.ClusterBytes - 1)) != 0)
        {
            return false;
        }
        int used = MemoryMarshal.Cast<byte, ulong>(entries[i..]).IndexOfAnyExcept(0UL);
        int empty = (used < 0 ? entries.Length - i : used * 8) >> _layout.EntryBits;
        i += empty << _layout.EntryBits;
        done += (ulong)empty << _layout.ClusterBits;
        return empty > 0;
    }

    private static bool Follows(ImageExtent head, ImageExtent next, ulong done) =>
        next.Kind == head.Kind && (head.Kind is not (ImageExtentKind.Data or ImageExtentKind.Shared) || next.Offset == head.Offset + (long)done);

    private L2Entry ReadExtended(ulong at)
    {
        Span<byte> words = stackalloc byte[16];
        store.File.Read(words, at);
        return Decode(words);
    }

    private ImageExtent InExtended(L2Entry entry, ulong within)
    {
        int sub = (int)(within >> _layout.ChunkBits);
        int count = Math.Min(L2Entry.SameFrom(entry.Allocated, sub), L2Entry.SameFrom(entry.Zeroed, sub));
        ulong length = ((ulong)(sub + count) << _layout.ChunkBits) - within;
        if (((entry.Allocated >> sub) & 1) != 0)
        {
            return DataAt(entry, within, length);
        }
        return new ImageExtent(length, ((entry.Zeroed >> sub) & 1) != 0 ? ImageExtentKind.Zero : ImageExtentKind.Below);
    }

    private ImageExtent DataAt(L2Entry entry, ulong within, ulong length)
    {
        ImageExtentKind kind = entry.Copied && active ? ImageExtentKind.Data : ImageExtentKind.Shared;
        return new ImageExtent(length, kind, _file, (long)(entry.HostOffset + within));
    }

    private string? PackedFault(L2Entry entry, ClaimedClusters? claims)
    {
        (ulong offset, ulong length) = entry.Packed(_layout);
        if (_external || offset < _layout.ClusterBytes || !store.File.Reaches(offset))
        {
            return "compressed data inside the file, behind the header";
        }
        ulong first = offset >> _layout.ClusterBits;
        ulong behind = ((offset + length - 1) >> _layout.ClusterBits) + 1;
        return claims is not null && claims.Overlaps(first, behind - first) ? "compressed data apart from all metadata" : null;
    }
}
