// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>Xen's map of blocks that are present throughout, so that their bitmaps need not be read.</summary>
/// <remarks>A clear bit says nothing, so an image that is written never needs to set one. A map with a wrong checksum is no map.</remarks>
internal sealed class VhdBatmap
{
    private const int Sector = 512;
    private const int ChecksumAt = 24;

    private readonly byte[] _map;

    private VhdBatmap(long headerAt, long at, byte[] map)
    {
        (HeaderAt, At) = (headerAt, at);
        _map = map;
    }

    /// <summary>Byte offset of its header.</summary>
    public long HeaderAt { get; }

    /// <summary>Byte offset of the map.</summary>
    public long At { get; }

    /// <summary>Bytes of the map.</summary>
    public int Bytes => _map.Length;

    /// <summary>Reads the batmap of an image, and notes its place in the layout.</summary>
    /// <param name="file">The file.</param>
    /// <param name="layout">The image's layout.</param>
    /// <param name="problem">What is wrong with it, or null. It is not used then.</param>
    /// <returns>The map, or null where there is none that could be used.</returns>
    public static VhdBatmap? Read(IImageFile file, VhdLayout layout, out string? problem)
    {
        problem = null;
        Span<byte> header = stackalloc byte[Sector];
        if (!layout.Footers.Footer.IsXen || layout.TableEnd > file.Length - Sector)
        {
            return null;
        }
        file.ReadAt(header, layout.TableEnd);
        if (!header.StartsWith("tdbatmap"u8))
        {
            return null;
        }
        ulong at = ReadUInt64BigEndian(header[8..]);
        ulong bytes = (ulong)ReadUInt32BigEndian(header[16..]) * Sector;
        ulong needed = (layout.Blocks + 7) / 8;
        bool inside = at % Sector == 0 && at <= (ulong)file.Length && bytes <= (ulong)file.Length - at;
        if (!inside || bytes < needed || bytes > (ulong)VhdLayout.AlignUp((long)needed, 4096) + 4096)
        {
            problem = $"batmap header at byte {layout.TableEnd}: expected a map of {needed} bytes inside the file, found {bytes} at {at}";
            return null;
        }
        byte[] map = new byte[bytes];
        file.ReadAt(map, (long)at);
        uint sum = VhdChecksum.Of(map);
        if (ReadUInt32BigEndian(header[ChecksumAt..]) != sum)
        {
            problem = $"batmap header at byte {layout.TableEnd + ChecksumAt}: expected checksum {sum:x8}, found {ReadUInt32BigEndian(header[ChecksumAt..]):x8}";
        }
        layout.Add(file.Name, new VhdRange(layout.TableEnd, layout.TableEnd + Sector, "the batmap's header"), layout.TableEnd);
        layout.Add(file.Name, new VhdRange((long)at, (long)(at + bytes), "the batmap"), layout.TableEnd + 8);
        return problem is null ? new VhdBatmap(layout.TableEnd, (long)at, map) : null;
    }

    /// <summary>Whether a block is present throughout for sure.</summary>
    public bool IsFull(ulong block) => SectorBits.IsSet(_map, BitOrder.MostSignificantFirst, (int)block);

    /// <summary>Makes it say nothing of any block, durably. A crash halfway leaves a map that says nothing, or one with a wrong checksum.</summary>
    public void Clear(IImageFile file)
    {
        Array.Clear(_map);
        file.WriteAt(_map, At);
        file.Flush();
        byte[] header = new byte[Sector];
        file.ReadAt(header, HeaderAt);
        WriteUInt32BigEndian(header.AsSpan(ChecksumAt), VhdChecksum.Of(_map));
        file.WriteAt(header, HeaderAt);
        file.Flush();
    }
}
