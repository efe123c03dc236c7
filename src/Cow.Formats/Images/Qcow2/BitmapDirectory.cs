// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>What the header says of the bitmap directory.</summary>
/// <param name="ExtensionAt">Byte offset of the extension that says it.</param>
/// <param name="Count">Bitmaps.</param>
/// <param name="Bytes">Bytes of the directory.</param>
/// <param name="Offset">Its byte offset.</param>
internal readonly record struct BitmapDirectory(ulong ExtensionAt, uint Count, ulong Bytes, ulong Offset)
{
    /// <summary>QEMU opens no image with more bitmaps.</summary>
    public const uint MaxCount = 65535;

    /// <summary>Nor one with a longer directory.</summary>
    public const ulong MaxBytes = 64 << 20;

    private const int HeadBytes = 24;

    /// <summary>Every piece of the file that the directory names, itself first.</summary>
    /// <exception cref="ImageFormatException">It is not a directory, or a table is not inside the file.</exception>
    public IEnumerable<(ulong Offset, ulong Length)> Pieces(MetadataFile file, Qcow2Layout layout)
    {
        yield return (Offset, Bytes);
        ulong at = Offset;
        for (uint i = 0; i < Count; i++)
        {
            if (Bytes - (at - Offset) < HeadBytes)
            {
                throw new ImageFormatException(file.Name, (long)at, $"a directory of {Count} bitmaps", $"{Bytes} bytes");
            }
            ulong tableAt = file.Read64(at);
            uint entries = file.Read32(at + 8);
            ulong length = HeadBytes + (file.Read32(at + 16) & 0xffffUL) + file.Read32(at + 20);
            foreach ((ulong, ulong) piece in Table(file, layout, tableAt, entries))
            {
                yield return piece;
            }
            at += (length + 7) & ~7UL;
            if (at - Offset > Bytes)
            {
                throw new ImageFormatException(file.Name, (long)at, $"a directory of {Bytes} bytes", $"an entry of {length}");
            }
        }
    }

    private static IEnumerable<(ulong Offset, ulong Length)> Table(MetadataFile file, Qcow2Layout layout, ulong tableAt, uint entries)
    {
        if (tableAt == 0 || tableAt % layout.ClusterBytes != 0 || entries > Qcow2Header.MaxRefcountTableBytes)
        {
            throw new ImageFormatException(file.Name, (long)Math.Min(tableAt, long.MaxValue), "a bitmap table that begins a cluster", $"{entries} entries at {tableAt}");
        }
        yield return (tableAt, entries * 8UL);
        foreach (ulong entry in file.ReadTable(tableAt, entries))
        {
            if ((entry & Qcow2Layout.OffsetMask) != 0)
            {
                yield return (entry & Qcow2Layout.OffsetMask, layout.ClusterBytes);
            }
        }
    }
}
