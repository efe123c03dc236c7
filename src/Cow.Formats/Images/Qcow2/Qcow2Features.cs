// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Qcow2;

/// <summary>Features without which nobody may open the image (header bytes 72..79).</summary>
[Flags]
internal enum IncompatibleFeatures : ulong
{
    None = 0,

    /// <summary>Refcounts may be wrong: they are rebuilt before anything is written.</summary>
    Dirty = 1 << 0,

    /// <summary>A writer met metadata that cannot be: nobody writes until it is repaired.</summary>
    Corrupt = 1 << 1,

    /// <summary>Data is in another file, at the offset that it has on the disk.</summary>
    DataFile = 1 << 2,

    /// <summary>The compression type is not deflate.</summary>
    CompressionType = 1 << 3,

    /// <summary>L2 entries have 16 bytes: a cluster is 32 subclusters.</summary>
    ExtendedL2 = 1 << 4,

    Known = Dirty | Corrupt | DataFile | CompressionType | ExtendedL2,
}

/// <summary>Features that nobody needs to know (header bytes 80..87).</summary>
[Flags]
internal enum CompatibleFeatures : ulong
{
    None = 0,

    /// <summary>A writer may set the dirty bit and leave the refcounts for later.</summary>
    LazyRefcounts = 1 << 0,
}

/// <summary>Features that a writer which does not keep them up clears before it writes anything (header bytes 88..95).</summary>
[Flags]
internal enum AutoclearFeatures : ulong
{
    None = 0,

    /// <summary>The bitmaps tell the truth.</summary>
    Bitmaps = 1 << 0,

    /// <summary>The data file read as it is equals the disk.</summary>
    RawDataFile = 1 << 1,
}

/// <summary>How clusters are packed (header byte 104).</summary>
internal enum CompressionType : byte
{
    /// <summary>RFC 1951 without a header; a window of 4 KiB suffices.</summary>
    Deflate = 0,

    /// <summary>Zstandard frames.</summary>
    Zstd = 1,
}
