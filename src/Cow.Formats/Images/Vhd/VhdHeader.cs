// SPDX-License-Identifier: MIT
using System.Numerics;
using System.Text;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>Where a differencing image keeps a name of its parent.</summary>
/// <param name="Code">What kind of name: four characters.</param>
/// <param name="Length">Bytes of the name.</param>
/// <param name="Offset">Byte offset of it in the file.</param>
/// <param name="EntryAt">Byte offset of this entry, for messages.</param>
internal readonly record struct VhdLocator(string Code, uint Length, ulong Offset, long EntryAt);

/// <summary>The header of a dynamic or differencing VHD: 1024 bytes, big-endian.</summary>
internal sealed class VhdHeader
{
    /// <summary>Bytes of a header.</summary>
    public const int Bytes = 1024;

    /// <summary>Entries for parent locators.</summary>
    public const int Locators = 8;

    /// <summary>Blocks below this size would have less than a byte of bitmap.</summary>
    public const uint LeastBlockBytes = 4096;

    /// <summary>Our bound: 128 times what everybody writes.</summary>
    public const uint MostBlockBytes = 256 << 20;

    /// <summary>Byte offset of the first locator entry.</summary>
    public const int LocatorsAt = 576;

    /// <summary>Bytes of a locator entry.</summary>
    public const int LocatorBytes = 24;

    /// <summary>Byte offset of the parent's name.</summary>
    public const int ParentNameAt = 64;

    /// <summary>Bytes for the parent's name, UTF-16BE.</summary>
    public const int ParentNameBytes = 512;

    private const int ChecksumAt = 36;
    private const uint Version1 = 0x0001_0000;

    private readonly byte[] _bytes;

    private VhdHeader(byte[] bytes, long at)
    {
        _bytes = bytes;
        At = at;
    }

    /// <summary>Byte offset of the header.</summary>
    public long At { get; }

    /// <summary>Byte offset of the block allocation table.</summary>
    public ulong TableOffset => ReadUInt64BigEndian(_bytes.AsSpan(16));

    /// <summary>Entries of the table.</summary>
    public uint Entries => ReadUInt32BigEndian(_bytes.AsSpan(28));

    /// <summary>Bytes of a block, its bitmap not counted.</summary>
    public uint BlockBytes => ReadUInt32BigEndian(_bytes.AsSpan(32));

    /// <summary>The parent's id. Zero: Xen's way to say that the parent is a raw image.</summary>
    public Guid ParentId => new(_bytes.AsSpan(40, 16), bigEndian: true);

    /// <summary>The parent's name, as it stands in the header.</summary>
    public string ParentName => Encoding.BigEndianUnicode.GetString(_bytes, ParentNameAt, ParentNameBytes).Split('\0')[0];

    /// <summary>Reads and validates a header.</summary>
    /// <param name="file">The file.</param>
    /// <param name="footer">Its footer.</param>
    /// <exception cref="ImageFormatException">It is not one.</exception>
    public static VhdHeader Read(IImageFile file, VhdFooters footer)
    {
        ulong at = footer.Footer.HeaderOffset;
        if (at < VhdFooter.Bytes || at % 512 != 0 || (long)Math.Min(at, long.MaxValue) > file.Length - Bytes)
        {
            throw new ImageFormatException(file.Name, footer.At + 16, "the offset of a header, on a sector behind the first, inside the file", $"{at}");
        }
        byte[] bytes = new byte[Bytes];
        file.ReadAt(bytes, (long)at);
        VhdHeader header = new(bytes, (long)at);
        header.Validate(file.Name);
        return header;
    }

    /// <summary>Makes a header without parent.</summary>
    /// <param name="tableOffset">Byte offset of the table.</param>
    /// <param name="entries">Its entries.</param>
    /// <param name="blockBytes">Bytes of a block.</param>
    /// <param name="parent">Writes what is known of a parent, or null.</param>
    public static byte[] Make(long tableOffset, uint entries, uint blockBytes, Action<byte[]>? parent)
    {
        byte[] bytes = new byte[Bytes];
        "cxsparse"u8.CopyTo(bytes);
        WriteUInt64BigEndian(bytes.AsSpan(8), ulong.MaxValue);
        WriteUInt64BigEndian(bytes.AsSpan(16), (ulong)tableOffset);
        WriteUInt32BigEndian(bytes.AsSpan(24), Version1);
        WriteUInt32BigEndian(bytes.AsSpan(28), entries);
        WriteUInt32BigEndian(bytes.AsSpan(32), blockBytes);
        parent?.Invoke(bytes);
        WriteUInt32BigEndian(bytes.AsSpan(ChecksumAt), VhdChecksum.Of(bytes, ChecksumAt));
        return bytes;
    }

    /// <summary>The locators that are in use.</summary>
    public IEnumerable<VhdLocator> ParentLocators()
    {
        for (int at = LocatorsAt; at < LocatorsAt + (Locators * LocatorBytes); at += LocatorBytes)
        {
            if (ReadUInt32BigEndian(_bytes.AsSpan(at)) != 0)
            {
                string code = Encoding.Latin1.GetString(_bytes, at, 4);
                yield return new VhdLocator(code, ReadUInt32BigEndian(_bytes.AsSpan(at + 8)), ReadUInt64BigEndian(_bytes.AsSpan(at + 16)), At + at);
            }
        }
    }

    private void Validate(string file)
    {
        if (_bytes.AsSpan().StartsWith(VhdFooter.Poison))
        {
            throw new ImageFormatException(file, At, "a whole VHD", "the mark of one whose journal must be played back first (vhd-util revert)");
        }
        if (!_bytes.AsSpan().StartsWith("cxsparse"u8))
        {
            throw new ImageFormatException(file, At, "the dynamic header's cookie, cxsparse", Convert.ToHexString(_bytes, 0, 8));
        }
        uint sum = VhdChecksum.Of(_bytes, ChecksumAt);
        if (ReadUInt32BigEndian(_bytes.AsSpan(ChecksumAt)) != sum)
        {
            throw new ImageFormatException(file, At + ChecksumAt, $"checksum {sum:x8} of the dynamic header", $"{ReadUInt32BigEndian(_bytes.AsSpan(ChecksumAt)):x8}");
        }
        if (ReadUInt32BigEndian(_bytes.AsSpan(24)) >> 16 != Version1 >> 16)
        {
            throw new ImageFormatException(file, At + 24, "version 1 of the dynamic header", $"0x{ReadUInt32BigEndian(_bytes.AsSpan(24)):x8}");
        }
        if (!BitOperations.IsPow2(BlockBytes) || BlockBytes is < LeastBlockBytes or > MostBlockBytes)
        {
            throw new ImageFormatException(file, At + 32, $"a block size that is a power of two from {LeastBlockBytes} to {MostBlockBytes}", $"{BlockBytes}");
        }
    }
}
