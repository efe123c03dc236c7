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

    /// <summary>Goes through the pieces of the file that the directory names, itself first.</summary>
    /// <param name="file">The image.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="claim">Is given byte offset and length of each. Where it says no, what the piece names is left out: other bitmaps could name the
    /// same table, again and again.</param>
    /// <exception cref="ImageFormatException">It is not a directory, or a table is not inside the file.</exception>
    public void ForEachPiece(MetadataFile file, Qcow2Layout layout, Func<ulong, ulong, bool> claim)
    {
        if (Offset > Qcow2Layout.OffsetMask)
        {
            throw new ImageFormatException(file.Name, (long)ExtensionAt, "a bitmap directory inside the file", $"one at {Offset}");
        }
        if (!claim(Offset, Bytes))
        {
            return;
        }
        ulong at = Offset;
        for (uint i = 0; i < Count; i++)
        {
            if (Bytes - (at - Offset) < HeadBytes)
            {
                throw new ImageFormatException(file.Name, (long)at, $"a directory of {Count} bitmaps", $"{Bytes} bytes");
            }
            ulong length = HeadBytes + (file.Read32(at + 16) & 0xffffUL) + file.Read32(at + 20);
            ForEachPiece(file, layout, file.Read64(at), file.Read32(at + 8), claim);
            at += (length + 7) & ~7UL;
            if (at - Offset > Bytes)
            {
                throw new ImageFormatException(file.Name, (long)at, $"a directory of {Bytes} bytes", $"an entry of {length}");
            }
        }
    }

    private static void ForEachPiece(MetadataFile file, Qcow2Layout layout, ulong tableAt, uint entries, Func<ulong, ulong, bool> claim)
    {
        if (tableAt == 0 || tableAt % layout.ClusterBytes != 0 || entries > Qcow2Header.MaxRefcountTableBytes)
        {
            throw new ImageFormatException(file.Name, (long)Math.Min(tableAt, long.MaxValue), "a bitmap table that begins a cluster", $"{entries} entries at {tableAt}");
        }
        if (!claim(tableAt, entries * 8UL))
        {
            return;
        }
        file.ForEachWord(tableAt, entries, (_, entry) =>
        {
            if ((entry & Qcow2Layout.OffsetMask) != 0)
            {
                claim(entry & Qcow2Layout.OffsetMask, layout.ClusterBytes);
            }
        });
    }
}
