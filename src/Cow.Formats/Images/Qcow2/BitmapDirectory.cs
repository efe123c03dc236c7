// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>What the header says of the bitmap directory. Only who counts clusters judges it: reads of the disk need no bitmap.</summary>
/// <param name="ExtensionAt">Byte offset of the extension that says it.</param>
/// <param name="ExtensionBytes">Bytes of what the extension holds. If they are not those of its fields, these are taken for 0.</param>
/// <param name="Count">Bitmaps.</param>
/// <param name="Reserved">Has to be 0.</param>
/// <param name="Bytes">Bytes of the directory.</param>
/// <param name="Offset">Its byte offset.</param>
internal readonly record struct BitmapDirectory(ulong ExtensionAt, uint ExtensionBytes, uint Count, uint Reserved, ulong Bytes, ulong Offset)
{
    /// <summary>Of the fields of the extension.</summary>
    private const int FieldsBytes = 24;

    /// <summary>QEMU opens no image with more bitmaps.</summary>
    private const uint MaxCount = 65535;

    /// <summary>Nor one with a longer directory.</summary>
    private const ulong MaxBytes = 64 << 20;

    /// <summary>Takes the fields of an extension as they are.</summary>
    /// <param name="file">The image.</param>
    /// <param name="extensionAt">Byte offset of the extension.</param>
    /// <param name="fieldsAt">Byte offset of what it holds.</param>
    /// <param name="bytes">Bytes of that.</param>
    public static BitmapDirectory Read(MetadataFile file, ulong extensionAt, ulong fieldsAt, uint bytes) => bytes == FieldsBytes
        ? new(extensionAt, bytes, file.Read32(fieldsAt), file.Read32(fieldsAt + 4), file.Read64(fieldsAt + 8), file.Read64(fieldsAt + 16))
        : new(extensionAt, bytes, 0, 0, 0, 0);

    /// <summary>For messages.</summary>
    public override string ToString() => $"{Count} bitmaps in {Bytes} bytes at {Offset}, reserved {Reserved}, in an extension of {ExtensionBytes}";

    /// <summary>What the extension would have to be and is not, or null.</summary>
    public string? Fault()
    {
        if (ExtensionBytes != FieldsBytes)
        {
            return $"an extension of {FieldsBytes} bytes";
        }
        if (Count is 0 or > MaxCount || !IsPossible)
        {
            return "a directory inside the limits";
        }
        return Reserved != 0 ? "reserved bits of 0" : null;
    }

    /// <summary>Whether a directory may be where it is said to be.</summary>
    public bool IsPossible => Bytes is > 0 and <= MaxBytes && Offset is > 0 and <= Qcow2Layout.OffsetMask;
}
