// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;

namespace Cow.Formats.Images.Vhdx;

/// <summary>Constants of MS-VHDX that more than one structure needs.</summary>
internal static class VhdxFormat
{
    /// <summary>Regions, the log and blocks lie on multiples of this.</summary>
    public const long Megabyte = 1 << 20;

    /// <summary>Bytes of a header, of a log sector, and of a page that is logged.</summary>
    public const int Page = 4096;

    /// <summary>Byte offsets of the two headers.</summary>
    public static ReadOnlySpan<long> HeadersAt => [64 << 10, 128 << 10];

    /// <summary>Byte offsets of the two region tables. The log may change what is from the first one on.</summary>
    public static ReadOnlySpan<long> RegionTablesAt => [192 << 10, 256 << 10];

    /// <summary>Bytes of a region table, and of the metadata table.</summary>
    public const int TableBytes = 64 << 10;

    /// <summary>Entries of a region table or of the metadata table at most.</summary>
    public const int MostTableEntries = 2047;

    /// <summary>Bytes of a sector bitmap block.</summary>
    public const long BitmapBlockBytes = Megabyte;

    /// <summary>Sectors that one sector bitmap block describes.</summary>
    public const ulong BitmapBlockSectors = 1 << 23;

    /// <summary>Bytes of the largest disk.</summary>
    public const ulong MostVirtualBytes = 64UL << 40;

    public static readonly Guid BatRegion = new("2dc27766-f623-4200-9d64-115e9bfd4a08");
    public static readonly Guid MetadataRegion = new("8b7ca206-4790-4b9a-b8fe-575f050f886e");
    public static readonly Guid FileParameters = new("caa16737-fa36-4d43-b3b6-33f0aa44e76b");
    public static readonly Guid VirtualDiskSize = new("2fa54224-cd1b-4876-b211-5dbed83bf4b8");
    public static readonly Guid DiskId = new("beca12ab-b2e6-4523-93ef-c309e000c746");
    public static readonly Guid LogicalSectorSize = new("8141bf1d-a96f-4709-ba47-f233a8faab5f");
    public static readonly Guid PhysicalSectorSize = new("cda348c7-445d-4471-9cc9-e9885251c556");
    public static readonly Guid ParentLocator = new("a8d35f2d-b30b-454d-abf7-d3d84834ab0c");
    public static readonly Guid ParentLocatorType = new("b04aefb7-d19e-4a81-b789-25b8e9445913");

    /// <summary>Microsoft's own: the file is not made to its end yet.</summary>
    public static readonly Guid IncompleteFile = new("71cc85f0-1b69-4e28-9558-c3bf83ae75d3");

    /// <summary>"vhdxfile", the first bytes of the file.</summary>
    public static ReadOnlySpan<byte> FileMagic => "vhdxfile"u8;

    /// <summary>Makes an empty set of parts of a file, which are all on megabytes.</summary>
    public static RangeSet NewSpace() => new((int)Megabyte);

    /// <summary>The smallest multiple of a power of two that is not below a value.</summary>
    public static long AlignUp(long value, long to) => (value + to - 1) & -to;
}
