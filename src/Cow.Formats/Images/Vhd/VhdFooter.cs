// SPDX-License-Identifier: MIT
using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>What a VHD is, by its footer's type field.</summary>
internal enum VhdType : uint
{
    /// <summary>All of the disk, in order, then the footer.</summary>
    Fixed = 2,

    /// <summary>Blocks as they are needed.</summary>
    Dynamic = 3,

    /// <summary>Blocks over a parent.</summary>
    Differencing = 4,
}

/// <summary>The footer of a VHD: the last sector of the file; of all but a fixed one the first sector is a copy. Big-endian.</summary>
internal sealed class VhdFooter
{
    /// <summary>Bytes of a footer. Of those that the first Virtual PC wrote the last byte, zero, is missing.</summary>
    public const int Bytes = 512;

    /// <summary>Disks beyond this size do not fit the 32-bit sectors of the table, whose last values are kept free.</summary>
    public const ulong MostVirtualBytes = 2040UL << 30;

    private const int ChecksumAt = 64;
    private const int CookieBytes = 8;
    private const uint Version1 = 0x0001_0000;

    private readonly byte[] _bytes;

    private VhdFooter(byte[] bytes) => _bytes = bytes;

    /// <summary>"conectix".</summary>
    public static ReadOnlySpan<byte> Cookie => "conectix"u8;

    /// <summary>What Xen's tools put in place of the cookie while their journal is needed to make the image whole again.</summary>
    public static ReadOnlySpan<byte> Poison => "v_poison"u8;

    /// <summary>The footer as it is on disk.</summary>
    public ReadOnlySpan<byte> Raw => _bytes;

    /// <summary>Byte offset of the dynamic header.</summary>
    public ulong HeaderOffset => ReadUInt64BigEndian(_bytes.AsSpan(16));

    /// <summary>Bytes of the disk, which readers take that trust this field.</summary>
    public ulong CurrentSize => ReadUInt64BigEndian(_bytes.AsSpan(48));

    /// <summary>Bytes of the disk by cylinders, heads and sectors per track.</summary>
    public ulong GeometrySize => (ulong)ReadUInt16BigEndian(_bytes.AsSpan(56)) * _bytes[58] * _bytes[59] * 512;

    /// <summary>What kind of disk it is.</summary>
    public VhdType Type => (VhdType)ReadUInt32BigEndian(_bytes.AsSpan(60));

    /// <summary>What a child names this image by.</summary>
    public Guid Id => new(_bytes.AsSpan(68, 16), bigEndian: true);

    /// <summary>Who made it, four characters.</summary>
    public string Creator => Encoding.Latin1.GetString(_bytes, 28, 4).TrimEnd('\0', ' ');

    /// <summary>Seconds since the start of 2000, UTC, at which it was made.</summary>
    public uint Time => ReadUInt32BigEndian(_bytes.AsSpan(24));

    /// <summary>Xen: an intermediate image that only its children use.</summary>
    public bool Hidden => IsXen && _bytes[85] != 0;

    /// <summary>Xen's blktap made it: it may have a batmap.</summary>
    public bool IsXen => _bytes.AsSpan(28, 4).SequenceEqual("tap\0"u8);

    /// <summary>Order of bits in the bitmaps: the first version of blktap had them the other way round.</summary>
    public BitOrder BitOrder => IsXen && ReadUInt32BigEndian(_bytes.AsSpan(32)) == 1 ? BitOrder.LeastSignificantFirst : BitOrder.MostSignificantFirst;

    /// <summary>The footer, where cookie and checksum are right; else null.</summary>
    /// <param name="bytes">512 bytes, or 511.</param>
    public static VhdFooter? TryParse(ReadOnlySpan<byte> bytes)
    {
        byte[] copy = new byte[Bytes];
        bytes.CopyTo(copy);
        bool good = bytes.StartsWith(Cookie) && ReadUInt32BigEndian(bytes[ChecksumAt..]) == VhdChecksum.Of(copy, ChecksumAt);
        return good ? new VhdFooter(copy) : null;
    }

    /// <summary>Makes a footer.</summary>
    /// <param name="type">What kind of disk.</param>
    /// <param name="virtualBytes">Bytes of the disk.</param>
    /// <param name="headerOffset">Byte offset of the dynamic header; all ones for a fixed disk.</param>
    /// <param name="time">When, UTC.</param>
    /// <param name="id">What children will name it by.</param>
    public static VhdFooter Make(VhdType type, ulong virtualBytes, ulong headerOffset, DateTime time, Guid id)
    {
        byte[] bytes = new byte[Bytes];
        Cookie.CopyTo(bytes);
        WriteUInt32BigEndian(bytes.AsSpan(8), 2); // always set
        WriteUInt32BigEndian(bytes.AsSpan(12), Version1);
        WriteUInt64BigEndian(bytes.AsSpan(16), headerOffset);
        WriteUInt32BigEndian(bytes.AsSpan(24), SecondsSince2000(time));
        // QEMU takes the size by geometry, which is smaller, from all creators but a few; Windows is one of those, and Xen expects no batmap of it.
        "win "u8.CopyTo(bytes.AsSpan(28));
        WriteUInt32BigEndian(bytes.AsSpan(32), 0x000a_0000);
        "Wi2k"u8.CopyTo(bytes.AsSpan(36));
        WriteUInt64BigEndian(bytes.AsSpan(40), virtualBytes);
        WriteUInt64BigEndian(bytes.AsSpan(48), virtualBytes);
        VhdGeometry.Write(bytes.AsSpan(56), virtualBytes);
        WriteUInt32BigEndian(bytes.AsSpan(60), (uint)type);
        id.TryWriteBytes(bytes.AsSpan(68), bigEndian: true, out _);
        WriteUInt32BigEndian(bytes.AsSpan(ChecksumAt), VhdChecksum.Of(bytes, ChecksumAt));
        return new VhdFooter(bytes);
    }

    /// <summary>Seconds since the start of 2000, as VHD counts time.</summary>
    public static uint SecondsSince2000(DateTime time) => (uint)(time - new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc)).TotalSeconds;

    /// <summary>Whether two footers describe the same disk; time and saved state may differ.</summary>
    public bool DescribesTheSameAs(VhdFooter other) =>
        HeaderOffset == other.HeaderOffset && CurrentSize == other.CurrentSize && GeometrySize == other.GeometrySize && Type == other.Type && Id == other.Id;

    /// <summary>Refuses what no VHD of version 1 can have.</summary>
    /// <param name="file">Name of the file.</param>
    /// <param name="at">Byte offset of the footer, for the message.</param>
    /// <exception cref="ImageFormatException">Such a value.</exception>
    public void Validate(string file, long at)
    {
        uint version = ReadUInt32BigEndian(_bytes.AsSpan(12));
        if (version >> 16 != Version1 >> 16)
        {
            throw new ImageFormatException(file, at + 12, "version 1 of the VHD format", $"0x{version:x8}");
        }
        if (Type is not (VhdType.Fixed or VhdType.Dynamic or VhdType.Differencing))
        {
            throw new ImageFormatException(file, at + 60, "a fixed (2), dynamic (3) or differencing (4) disk", $"type {(uint)Type}");
        }
        if (CurrentSize is 0 or > MostVirtualBytes || CurrentSize % 512 != 0)
        {
            throw new ImageFormatException(file, at + 48, $"a size in whole sectors up to {MostVirtualBytes} bytes", $"{CurrentSize}");
        }
    }

    /// <summary>Whether bytes start with a cookie, be it the right one or the one that says that a journal is needed.</summary>
    public static bool HasCookie(ReadOnlySpan<byte> bytes) => bytes.Length >= CookieBytes && (bytes.StartsWith(Cookie) || bytes.StartsWith(Poison));
}
