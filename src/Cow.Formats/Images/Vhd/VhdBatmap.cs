// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>Xen's map of blocks that are present throughout, so that their bitmaps need not be read.</summary>
/// <remarks>A clear bit says nothing, so an image that is written never needs to set one. A map with a wrong checksum is no map. It is not kept: it may
/// have 64 MiB, in each image of a chain.</remarks>
internal sealed class VhdBatmap
{
    private const int Sector = 512;
    private const int VersionAt = 20;
    private const int ChecksumAt = 24;

    /// <summary>1.1 adds up bytes as the compiler's char, which is signed; those behind it do not.</summary>
    private const uint SignedVersion = 0x10001;

    private readonly CachedFile _file;

    private VhdBatmap(CachedFile file, long headerAt, long at, long bytes)
    {
        _file = file;
        (HeaderAt, At, Bytes) = (headerAt, at, bytes);
    }

    /// <summary>Byte offset of its header.</summary>
    public long HeaderAt { get; }

    /// <summary>Byte offset of the map.</summary>
    public long At { get; }

    /// <summary>Bytes of the map.</summary>
    public long Bytes { get; }

    /// <summary>Reads the batmap of an image, and notes its place in the layout.</summary>
    /// <param name="file">The file.</param>
    /// <param name="layout">The image's layout.</param>
    /// <param name="problem">What is wrong with it, or null. It is not used then.</param>
    /// <returns>The map, or null where there is none that could be used.</returns>
    public static VhdBatmap? Read(CachedFile file, VhdLayout layout, out string? problem)
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
        bool inside = at % Sector == 0 && at <= (ulong)file.Length && bytes <= (ulong)file.Length - at;
        // Xen measures it by the table, which may be longer than the disk needs.
        ulong needed = (layout.Header.Entries + 7UL) / 8;
        if (!inside || bytes < needed || bytes > (ulong)VhdLayout.AlignUp((long)needed, 4096) + 4096)
        {
            problem = $"batmap header at byte {layout.TableEnd}: expected a map of {needed} bytes inside the file, found {bytes} at {at}";
            return null;
        }
        // Whatever else is wrong with it: nothing else may be put there.
        layout.Add(file.Name, new VhdRange(layout.TableEnd, layout.TableEnd + Sector, "the batmap's header"), layout.TableEnd);
        layout.Add(file.Name, new VhdRange((long)at, (long)(at + bytes), "the batmap"), layout.TableEnd + 8);
        uint sum = VhdChecksum.Of(file, (long)at, (long)bytes, signed: ReadUInt32BigEndian(header[VersionAt..]) == SignedVersion);
        if (ReadUInt32BigEndian(header[ChecksumAt..]) != sum)
        {
            problem = $"batmap header at byte {layout.TableEnd + ChecksumAt}: expected checksum {sum:x8}, found {ReadUInt32BigEndian(header[ChecksumAt..]):x8}";
        }
        return problem is null ? new VhdBatmap(file, layout.TableEnd, (long)at, (long)bytes) : null;
    }

    /// <summary>Whether a block is present throughout for sure.</summary>
    public bool IsFull(ulong block)
    {
        Span<byte> bits = stackalloc byte[1];
        _file.ReadAt(bits, At + (long)(block / 8));
        return SectorBits.IsSet(bits, BitOrder.MostSignificantFirst, (int)(block % 8));
    }

    /// <summary>The first block from one on that is present throughout for sure; of a large map much may be a hole.</summary>
    /// <returns>False where there is none.</returns>
    public bool TryNextFull(ref ulong block)
    {
        Span<byte> bits = stackalloc byte[Sector];
        while ((long)(block / 8) < Bytes)
        {
            long at = At + (long)(block / 8);
            long data = _file.NextData(at);
            if (data > at)
            {
                block = (ulong)(data - At) * 8;
                continue;
            }
            int first = (int)(block % 8);
            int count = (int)Math.Min(Sector, At + Bytes - at);
            _file.ReadAt(bits[..count], at);
            int run = SectorBits.Run(bits, BitOrder.MostSignificantFirst, first, (count * 8) - first, out bool full);
            if (full)
            {
                return true;
            }
            block += (ulong)run;
        }
        return false;
    }

    /// <summary>Makes it say nothing of any block, durably. A crash halfway leaves a map that says nothing, or one with a wrong checksum; so does a hole
    /// that was none.</summary>
    public void Clear()
    {
        byte[] sector = new byte[Sector];
        for (long at = At; at < At + Bytes; at += Sector)
        {
            if (!_file.IsHole(at, Sector))
            {
                _file.WriteAt(sector, at);
            }
        }
        _file.Flush();
        _file.ReadAt(sector, HeaderAt);
        WriteUInt32BigEndian(sector.AsSpan(ChecksumAt), VhdChecksum.Of([]));
        _file.WriteAt(sector, HeaderAt);
        _file.Flush();
    }
}
