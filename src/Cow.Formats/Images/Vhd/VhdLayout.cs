// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <summary>Bytes of the file that are not a block's.</summary>
/// <param name="Start">First byte.</param>
/// <param name="End">First byte behind.</param>
/// <param name="What">What is there.</param>
internal readonly record struct VhdRange(long Start, long End, string What);

/// <summary>Where everything is in a dynamic or differencing VHD, held against the length of the file.</summary>
internal sealed class VhdLayout
{
    /// <summary>The entry of a block that has no place.</summary>
    public const uint NoBlock = uint.MaxValue;

    private const int Sector = 512;

    private readonly List<VhdRange> _metadata = [];

    private VhdLayout(VhdFooters footers, VhdHeader header, ulong virtualBytes)
    {
        Footers = footers;
        Header = header;
        VirtualBytes = virtualBytes;
        Blocks = (virtualBytes + header.BlockBytes - 1) / header.BlockBytes;
        BitmapBytes = (int)AlignUp(header.BlockBytes / Sector / 8, Sector);
        TableOffset = (long)Math.Min(header.TableOffset, long.MaxValue);
    }

    public VhdFooters Footers { get; }

    public VhdHeader Header { get; }

    /// <summary>Bytes of the disk.</summary>
    public ulong VirtualBytes { get; }

    /// <summary>Blocks of the disk; the table may have more entries.</summary>
    public ulong Blocks { get; }

    public uint BlockBytes => Header.BlockBytes;

    /// <summary>Bytes of a block's bitmap, in whole sectors. The data follows it.</summary>
    public int BitmapBytes { get; }

    public long TableOffset { get; }

    /// <summary>First byte behind the table, in whole sectors.</summary>
    public long TableEnd => TableOffset + AlignUp((long)Header.Entries * sizeof(uint), Sector);

    /// <summary>First byte behind all metadata at the front.</summary>
    public long MetadataEnd { get; private set; }

    /// <summary>Everything that is not a block, but the footer at the end.</summary>
    public IReadOnlyList<VhdRange> Metadata => _metadata;

    /// <summary>The smallest multiple of a power of two that is not below a value.</summary>
    public static long AlignUp(long value, long to) => (value + to - 1) & -to;

    /// <summary>Reads the header and works out where everything is.</summary>
    /// <exception cref="ImageFormatException">Something lies outside of the file, or over something else.</exception>
    public static VhdLayout Read(IImageFile file, VhdFooters footers, bool sizeByGeometry)
    {
        VhdHeader header = VhdHeader.Read(file, footers);
        VhdLayout layout = new(footers, header, SizeOf(file.Name, footers, sizeByGeometry));
        if (layout.Blocks > header.Entries)
        {
            throw new ImageFormatException(file.Name, header.At + 28, $"at least {layout.Blocks} table entries for {layout.VirtualBytes} bytes", $"{header.Entries}");
        }
        if (layout.TableOffset % Sector != 0 || layout.TableOffset > file.Length || layout.TableEnd > file.Length)
        {
            throw new ImageFormatException(file.Name, header.At + 16, $"a table of {header.Entries} entries on a sector inside the file of {file.Length} bytes", $"offset {header.TableOffset}");
        }
        layout.Add(file.Name, new VhdRange(0, VhdFooter.Bytes, "the footer's copy"), 0);
        layout.Add(file.Name, new VhdRange(header.At, header.At + VhdHeader.Bytes, "the header"), footers.At + 16);
        layout.Add(file.Name, new VhdRange(layout.TableOffset, layout.TableEnd, "the table"), header.At + 16);
        layout.AddLocators(file);
        return layout;
    }

    /// <summary>The size of the disk that a footer tells.</summary>
    /// <exception cref="ImageFormatException">The size by geometry is asked for, and is none.</exception>
    public static ulong SizeOf(string file, VhdFooters footers, bool byGeometry)
    {
        ulong size = byGeometry ? footers.Footer.GeometrySize : footers.Footer.CurrentSize;
        return size > 0 ? size : throw new ImageFormatException(file, footers.At + 56, "a geometry", "none");
    }

    /// <summary>Adds a range of metadata.</summary>
    /// <exception cref="ImageFormatException">It overlaps another.</exception>
    public void Add(string file, VhdRange range, long at)
    {
        if (Overlapped(range.Start, range.End) is { } other)
        {
            throw new ImageFormatException(file, at, $"{range.What} beside {other.What}", $"bytes {range.Start} to {range.End} over {other.Start} to {other.End}");
        }
        _metadata.Add(range);
        MetadataEnd = Math.Max(MetadataEnd, range.End);
    }

    /// <summary>The metadata that lies between two byte offsets, or null.</summary>
    public VhdRange? Overlapped(long start, long end)
    {
        foreach (VhdRange range in _metadata)
        {
            if (start < range.End && range.Start < end)
            {
                return range;
            }
        }
        return null;
    }

    private void AddLocators(IImageFile file)
    {
        if (Footers.Footer.Type != VhdType.Differencing)
        {
            return;
        }
        foreach (VhdLocator locator in Header.ParentLocators())
        {
            if (locator.Offset > (ulong)file.Length || locator.Length > (ulong)file.Length - locator.Offset)
            {
                throw new ImageFormatException(file.Name, locator.EntryAt, "a parent locator inside the file", $"{locator.Length} bytes at {locator.Offset}");
            }
            if (locator.Length > 0)
            {
                Add(file.Name, new VhdRange((long)locator.Offset, (long)locator.Offset + locator.Length, $"parent locator {locator.Code}"), locator.EntryAt);
            }
        }
    }
}
