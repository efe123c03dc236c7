// SPDX-License-Identifier: MIT
using System.Numerics;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>The metadata region: a table of items, and the items.</summary>
internal sealed class VhdxMetadata
{
    private const int EntriesAt = 32;
    private const int EntryBytes = 32;
    private const uint UserFlag = 1;
    private const uint RequiredFlag = 4;
    private const uint MostItemBytes = 1 << 20;

    private readonly VhdxMedium _medium;
    private readonly VhdxRange _region;
    private readonly Dictionary<Guid, Item> _items = [];

    private VhdxMetadata(VhdxMedium medium, VhdxRange region)
    {
        _medium = medium;
        _region = region;
    }

    /// <summary>Bytes of a block.</summary>
    public uint BlockBytes { get; private set; }

    /// <summary>All blocks stay allocated: a fixed disk.</summary>
    public bool LeavesBlocksAllocated { get; private set; }

    /// <summary>There is a parent.</summary>
    public bool HasParent { get; private set; }

    /// <summary>Bytes of the disk.</summary>
    public ulong VirtualBytes { get; private set; }

    /// <summary>Bytes of a sector, as the disk's sectors are counted.</summary>
    public uint LogicalSectorBytes { get; private set; }

    /// <summary>What the image says of its parent; null where it has none.</summary>
    public BackingReference? Parent { get; private set; }

    /// <summary>Reads and validates the metadata.</summary>
    /// <exception cref="ImageFormatException">It is not what the format demands.</exception>
    public static VhdxMetadata Read(VhdxMedium medium, VhdxRange region)
    {
        VhdxMetadata metadata = new(medium, region);
        metadata.ReadTable();
        metadata.ReadFileParameters();
        metadata.ReadSizes();
        if (metadata.HasParent)
        {
            Item item = metadata.Required(VhdxFormat.ParentLocator, null, "parent locator");
            metadata.Parent = VhdxParentLocator.Read(medium.Name, metadata.Bytes(item), region.Start + item.Offset);
        }
        return metadata;
    }

    /// <summary>Makes the start of a metadata region.</summary>
    /// <param name="blockBytes">Bytes of a block.</param>
    /// <param name="isFixed">All blocks stay allocated.</param>
    /// <param name="virtualBytes">Bytes of the disk.</param>
    /// <param name="parent">The parent locator, or null.</param>
    public static byte[] Make(uint blockBytes, bool isFixed, ulong virtualBytes, byte[]? parent)
    {
        byte[] parameters = new byte[8];
        WriteUInt32LittleEndian(parameters, blockBytes);
        WriteUInt32LittleEndian(parameters.AsSpan(4), (isFixed ? 1u : 0) | (parent is null ? 0 : 2u));
        byte[] size = new byte[8];
        WriteUInt64LittleEndian(size, virtualBytes);
        byte[] sector = new byte[4];
        WriteUInt32LittleEndian(sector, 512);
        byte[] physical = new byte[4];
        WriteUInt32LittleEndian(physical, 4096);
        List<(Guid Id, uint Flags, byte[] Bytes)> items =
        [
            (VhdxFormat.FileParameters, 4, parameters),
            (VhdxFormat.VirtualDiskSize, 6, size),
            (VhdxFormat.DiskId, 6, Guid.NewGuid().ToByteArray()),
            (VhdxFormat.LogicalSectorSize, 6, sector),
            (VhdxFormat.PhysicalSectorSize, 6, physical),
        ];
        if (parent is not null)
        {
            items.Add((VhdxFormat.ParentLocator, 4, parent));
        }
        return Assemble(items);
    }

    private static byte[] Assemble(List<(Guid Id, uint Flags, byte[] Bytes)> items)
    {
        byte[] region = new byte[VhdxFormat.TableBytes + VhdxFormat.AlignUp(items.Sum(i => i.Bytes.Length + 8), VhdxFormat.Page)];
        "metadata"u8.CopyTo(region);
        WriteUInt16LittleEndian(region.AsSpan(10), (ushort)items.Count);
        int offset = VhdxFormat.TableBytes;
        for (int i = 0; i < items.Count; i++)
        {
            Span<byte> entry = region.AsSpan(EntriesAt + (i * EntryBytes), EntryBytes);
            items[i].Id.TryWriteBytes(entry);
            WriteUInt32LittleEndian(entry[16..], (uint)offset);
            WriteUInt32LittleEndian(entry[20..], (uint)items[i].Bytes.Length);
            WriteUInt32LittleEndian(entry[24..], items[i].Flags);
            items[i].Bytes.CopyTo(region.AsSpan(offset));
            offset += (int)VhdxFormat.AlignUp(items[i].Bytes.Length, 8);
        }
        return region;
    }

    private void ReadTable()
    {
        byte[] table = new byte[VhdxFormat.TableBytes];
        _medium.Read(table, _region.Start);
        int count = ReadUInt16LittleEndian(table.AsSpan(10));
        if (!table.AsSpan().StartsWith("metadata"u8))
        {
            throw new ImageFormatException(_medium.Name, _region.Start, "the signature of the metadata table", Convert.ToHexString(table, 0, 8));
        }
        if (count > VhdxFormat.MostTableEntries || table.AsSpan(8, 2).ContainsAnyExcept((byte)0) || table.AsSpan(12, 20).ContainsAnyExcept((byte)0))
        {
            throw new ImageFormatException(_medium.Name, _region.Start + 8, $"at most {VhdxFormat.MostTableEntries} metadata items, and reserved zeros", $"{count}");
        }
        HashSet<(Guid, bool)> ids = [];
        List<Item> ranges = [];
        for (int i = 0; i < count; i++)
        {
            AddItem(table.AsSpan(EntriesAt + (i * EntryBytes), EntryBytes), _region.Start + EntriesAt + (i * EntryBytes), ids, ranges);
        }
        RequireBesideEachOther(ranges);
    }

    private void AddItem(ReadOnlySpan<byte> entry, long at, HashSet<(Guid, bool)> ids, List<Item> ranges)
    {
        Guid id = new(entry[..16]);
        Item item = new(ReadUInt32LittleEndian(entry[16..]), ReadUInt32LittleEndian(entry[20..]), at);
        uint flags = ReadUInt32LittleEndian(entry[24..]);
        bool user = (flags & UserFlag) != 0;
        bool required = (flags & RequiredFlag) != 0;
        if (flags > 7 || ReadUInt32LittleEndian(entry[28..]) != 0 || id == Guid.Empty || !ids.Add((id, user)) || (user && required))
        {
            throw new ImageFormatException(_medium.Name, at, "each metadata item once, its reserved fields zero, a user's not required", $"{id} with flags 0x{flags:x}");
        }
        long end = item.Offset + (long)item.Length;
        bool inside = item.Length == 0 ? item.Offset == 0 : item.Offset >= VhdxFormat.TableBytes && end <= _region.End - _region.Start && item.Length <= MostItemBytes;
        if (!inside)
        {
            throw new ImageFormatException(_medium.Name, at + 16, $"a metadata item behind the table, inside the region, of at most {MostItemBytes} bytes", $"{item.Length} bytes at {item.Offset}");
        }
        if (id == VhdxFormat.IncompleteFile)
        {
            throw new ImageFormatException(_medium.Name, at, "an image that was made to its end", "the mark of one that was not");
        }
        if (required && !IsKnown(id))
        {
            throw new ImageFormatException(_medium.Name, at, "metadata items that are known where they are required", $"item {id}");
        }
        if (!user)
        {
            _items.Add(id, item);
        }
        ranges.Add(item);
    }

    private void RequireBesideEachOther(List<Item> items)
    {
        items.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        for (int i = 1; i < items.Count; i++)
        {
            if (items[i].Length > 0 && items[i].Offset < items[i - 1].Offset + (long)items[i - 1].Length)
            {
                throw new ImageFormatException(_medium.Name, items[i].At + 16, "metadata items beside each other", $"one at {items[i].Offset} over one at {items[i - 1].Offset}");
            }
        }
    }

    private static bool IsKnown(Guid id) =>
        id == VhdxFormat.FileParameters || id == VhdxFormat.VirtualDiskSize || id == VhdxFormat.DiskId
        || id == VhdxFormat.LogicalSectorSize || id == VhdxFormat.PhysicalSectorSize || id == VhdxFormat.ParentLocator;

    private void ReadFileParameters()
    {
        Item item = Required(VhdxFormat.FileParameters, 8, "file parameters");
        byte[] bytes = Bytes(item);
        BlockBytes = ReadUInt32LittleEndian(bytes);
        uint flags = ReadUInt32LittleEndian(bytes.AsSpan(4));
        long at = _region.Start + item.Offset;
        if (!BitOperations.IsPow2(BlockBytes) || BlockBytes is < 1 << 20 or > 256 << 20)
        {
            throw new ImageFormatException(_medium.Name, at, "a block size that is a power of two from 1 to 256 MiB", $"{BlockBytes}");
        }
        if (flags > 3)
        {
            throw new ImageFormatException(_medium.Name, at + 4, "reserved bits of zero", $"0x{flags:x}");
        }
        LeavesBlocksAllocated = (flags & 1) != 0;
        HasParent = (flags & 2) != 0;
    }

    private void ReadSizes()
    {
        Item logical = Required(VhdxFormat.LogicalSectorSize, 4, "logical sector size");
        Item physical = Required(VhdxFormat.PhysicalSectorSize, 4, "physical sector size");
        LogicalSectorBytes = ReadUInt32LittleEndian(Bytes(logical));
        foreach ((Item item, uint bytes) in ((Item, uint)[])[(logical, LogicalSectorBytes), (physical, ReadUInt32LittleEndian(Bytes(physical)))])
        {
            if (bytes is not (512 or 4096))
            {
                throw new ImageFormatException(_medium.Name, _region.Start + item.Offset, "sectors of 512 or 4096 bytes", $"{bytes}");
            }
        }
        Item size = Required(VhdxFormat.VirtualDiskSize, 8, "disk size");
        VirtualBytes = ReadUInt64LittleEndian(Bytes(size));
        if (VirtualBytes is 0 or > VhdxFormat.MostVirtualBytes || VirtualBytes % LogicalSectorBytes != 0)
        {
            throw new ImageFormatException(_medium.Name, _region.Start + size.Offset, $"a disk of whole sectors of {LogicalSectorBytes} bytes, up to {VhdxFormat.MostVirtualBytes} bytes", $"{VirtualBytes}");
        }
    }

    private Item Required(Guid id, int? bytes, string what)
    {
        if (!_items.TryGetValue(id, out Item item) || item.Length == 0)
        {
            throw new ImageFormatException(_medium.Name, _region.Start, $"metadata item {id} ({what})", "none");
        }
        return bytes is null || item.Length == bytes
            ? item
            : throw new ImageFormatException(_medium.Name, item.At + 20, $"{bytes} bytes of {what}", $"{item.Length}");
    }

    private byte[] Bytes(Item item)
    {
        byte[] bytes = new byte[item.Length];
        _medium.Read(bytes, _region.Start + item.Offset);
        return bytes;
    }

    /// <param name="Offset">Byte offset in the region.</param>
    /// <param name="Length">Bytes.</param>
    /// <param name="At">Byte offset of its entry in the file.</param>
    private readonly record struct Item(uint Offset, uint Length, long At);
}
