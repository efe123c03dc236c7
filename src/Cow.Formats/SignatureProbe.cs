// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats;

/// <summary>Tells whether a device belongs to somebody else, so that no store is made over it.</summary>
/// <remarks>Offsets and magics are those that blkid and the formats' own documents name.</remarks>
public static class SignatureProbe
{
    private const int HeadBytes = 4096;

    private static readonly Signature[] Signatures =
    [
        new("ext2/3/4", 1080, [0x53, 0xef]),
        new("xfs", 0, [.. "XFSB"u8]),
        new("btrfs", 0x10040, [.. "_BHRfS_M"u8]),
        new("f2fs", 1024, [0x10, 0x20, 0xf5, 0xf2]),
        new("bcache or bcachefs", 4120, [0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81]),
        new("bcachefs", 4120, [0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9]),
        new("jfs", 32768, [.. "JFS1"u8]),
        new("reiserfs", 65588, [.. "ReIsEr"u8]),
        new("nilfs2", 1030, [0x34, 0x34]),
        new("gfs2", 65536, [0x01, 0x16, 0x19, 0x70]),
        new("erofs", 1024, [0xe2, 0xe1, 0xf5, 0xe0]),
        new("squashfs", 0, [.. "hsqs"u8]),
        new("hfs+", 1024, [.. "H+"u8]),
        new("ntfs", 3, [.. "NTFS    "u8]),
        new("exfat", 3, [.. "EXFAT   "u8]),
        new("BitLocker", 3, [.. "-FVE-FS-"u8]),
        new("fat", 54, [.. "FAT1"u8]),
        new("fat", 82, [.. "FAT32   "u8]),
        new("iso9660", 32769, [.. "CD001"u8]),
        new("udf", 32769, [.. "BEA01"u8]),
        new("swap", 4086, [.. "SWAPSPACE2"u8]),
        new("swap", 8182, [.. "SWAPSPACE2"u8]),
        new("swap", 16374, [.. "SWAPSPACE2"u8]),
        new("swap", 32758, [.. "SWAPSPACE2"u8]),
        new("swap", 65526, [.. "SWAPSPACE2"u8]),
        new("swap", 4086, [.. "SWAP-SPACE"u8]),
        new("hibernation image", 4086, [.. "S1SUSPEND"u8]),
        new("LVM2 physical volume", 0, [.. "LABELONE"u8]),
        new("LVM2 physical volume", 512, [.. "LABELONE"u8]),
        new("LVM2 physical volume", 1024, [.. "LABELONE"u8]),
        new("LVM2 physical volume", 1536, [.. "LABELONE"u8]),
        new("md RAID member", 0, [0xfc, 0x4e, 0x2b, 0xa9]),
        new("md RAID member", 4096, [0xfc, 0x4e, 0x2b, 0xa9]),
        new("LUKS", 0, [.. "LUKS"u8, 0xba, 0xbe]),
        new("LUKS", 16384, [.. "SKUL"u8, 0xba, 0xbe]),
        new("dm-thin metadata", 32, [0x72, 0x52, 0x9c, 0x01]),
        new("dm-integrity", 0, [.. "integrt"u8]),
        new("dm-verity", 0, [.. "verity\0\0"u8]),
        new("VDO", 0, [.. "dmvdo001"u8]),
        new("qcow or qcow2 image", 0, [.. "QFI"u8, 0xfb]),
        new("QED image", 0, [.. "QED\0"u8]),
        new("VMDK image", 0, [.. "KDMV"u8]),
        new("VMDK image", 0, [.. "COWD"u8]),
        new("VMDK image", 0, [.. "# Disk DescriptorFile"u8]),
        new("VHDX image", 0, [.. "vhdxfile"u8]),
        new("VHD image", 0, [.. "conectix"u8]),
        new("VHD image", -512, [.. "conectix"u8]),
        new("VDI image", 64, [0x7f, 0x10, 0xda, 0xbe]),
        new("GPT partition table", 512, [.. "EFI PART"u8]),
        new("GPT partition table", 4096, [.. "EFI PART"u8]),
        // The backup alone may be left of a table whose head was wiped.
        new("GPT partition table", -512, [.. "EFI PART"u8]),
        // Last: boot sectors of file systems bear it too.
        new("MBR partition table", 510, [0x55, 0xaa]),
    ];

    /// <summary>The name of what the device bears, or null. Our own formats are not foreign; see <see cref="FormatRegistry.Probe"/>.</summary>
    /// <param name="device">The device or file.</param>
    public static string? Find(IImageFile device)
    {
        ArgumentNullException.ThrowIfNull(device);
        long length = device.Length;
        Span<byte> found = stackalloc byte[32];
        foreach (Signature signature in Signatures)
        {
            long offset = signature.Offset < 0 ? length + signature.Offset : signature.Offset;
            if (offset < 0 || offset > length - signature.Magic.Length)
            {
                continue;
            }
            Span<byte> bytes = found[..signature.Magic.Length];
            device.ReadAt(bytes, offset);
            if (bytes.SequenceEqual(signature.Magic))
            {
                return signature.Owner;
            }
        }
        return null;
    }

    /// <summary>Whether the first 4096 bytes are zero: together with <see cref="Find"/> returning null, an empty device.</summary>
    /// <param name="device">The device or file.</param>
    public static bool HasZeroHead(IImageFile device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Span<byte> head = stackalloc byte[HeadBytes];
        head = head[..(int)Math.Min(HeadBytes, device.Length)];
        device.ReadAt(head, 0);
        return !head.ContainsAnyExcept((byte)0);
    }
}
