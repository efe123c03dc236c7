// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Bitmap;

/// <summary>One level of the stack on disk: header, bitmap, and the data at the offset that it has on the base.</summary>
internal sealed class BitmapFile
{
    /// <summary>Chunks that one sector of the bitmap speaks of.</summary>
    public const ulong SectorBits = BitmapHeader.Size * 8;

    private const int ReadBytes = 64 * 1024;

    private readonly IImageFile _metadata;
    private readonly byte[] _sector = new byte[BitmapHeader.Size];

    private BitmapFile(IImageFile store, IImageFile? metadata)
    {
        _metadata = metadata ?? store;
        if (_metadata.Length < BitmapHeader.Size)
        {
            throw new ImageFormatException(_metadata.Name, 0, "a bitmap store", $"{_metadata.Length} bytes");
        }
        _metadata.ReadAt(_sector, 0);
        Header = BitmapHeader.Read(_sector, _metadata.Name);
        if ((Header.DataOffset == 0) != (metadata is not null))
        {
            throw new ImageFormatException(_metadata.Name, 0, metadata is null ? "a store with its data behind the bitmap" : "a bitmap on a device of its own", "the other kind");
        }
        Require(_metadata, BitmapHeader.BitmapAt + Header.BitmapBytes);
        Require(store, Header.DataOffset + Header.VirtualSize);
    }

    /// <summary>The header, judged.</summary>
    public BitmapHeader Header { get; }

    /// <summary>CRC-32C of header and bitmap. A layer names that of the layer below, so the top one vouches for all.</summary>
    public uint Fingerprint { get; private set; }

    /// <summary>Opens a level and marks its chunks.</summary>
    /// <param name="store">Where its data is.</param>
    /// <param name="metadata">Where its bitmap is, if not there.</param>
    /// <param name="owners">Who owns each chunk of the disk, made by the first level that is opened.</param>
    /// <param name="owner">What to write for each chunk that this level owns.</param>
    /// <param name="most">The highest that any level writes.</param>
    public static BitmapFile Open(IImageFile store, IImageFile? metadata, ref ChunkOwners? owners, int owner, int most)
    {
        BitmapFile file = new(store, metadata);
        owners ??= new ChunkOwners(file.Header.Chunks, most);
        if (owners.Chunks != file.Header.Chunks)
        {
            throw new ImageFormatException(file._metadata.Name, 0, $"a level of {owners.Chunks} chunks, as the others", $"{file.Header.Chunks}");
        }
        file.Mark(owners, owner);
        return file;
    }

    /// <summary>Makes an empty level; durable on return.</summary>
    public static void Create(IImageFile store, IImageFile? metadata, BitmapHeader header)
    {
        IImageFile file = metadata ?? store;
        Require(file, BitmapHeader.BitmapAt + header.BitmapBytes);
        Require(store, header.DataOffset + header.VirtualSize);

        // First no magic, then an empty bitmap, then the magic: whenever power fails there is an empty store or none.
        byte[] zeros = new byte[BitmapHeader.BitmapAt];
        file.WriteAt(zeros, 0);
        file.Flush();
        ulong end = BitmapHeader.BitmapAt + header.BitmapBytes;
        for (ulong offset = BitmapHeader.BitmapAt; offset < end; offset += (ulong)zeros.Length)
        {
            file.WriteAt(zeros.AsSpan(0, (int)Math.Min((ulong)zeros.Length, end - offset)), (long)offset);
        }
        file.Flush();
        header.Write(zeros.AsSpan(0, BitmapHeader.Size));
        file.WriteAt(zeros.AsSpan(0, BitmapHeader.Size), 0);
        file.Flush();
    }

    /// <summary>Writes one sector of the bitmap. Bits are only ever set, so a sector that is written again,
    /// or was written without having been asked for, does no harm; one that was not is the old one.</summary>
    /// <param name="index">Which sector: it speaks of the chunks from <paramref name="index"/> * <see cref="SectorBits"/> on.</param>
    /// <param name="owners">As in <see cref="Open"/>.</param>
    /// <param name="owner">Which of them are this level's.</param>
    public void WriteSector(ulong index, ChunkOwners owners, int owner)
    {
        owners.Copy(index * SectorBits, _sector, owner);
        _metadata.WriteAt(_sector, BitmapHeader.BitmapAt + ((long)index * BitmapHeader.Size));
    }

    private void Mark(ChunkOwners owners, int owner)
    {
        Fingerprint = BitmapHeader.Checksum(_sector);
        long end = BitmapHeader.BitmapAt + (long)Header.BitmapBytes;
        byte[] buffer = new byte[Math.Min(ReadBytes, Header.BitmapBytes)];
        for (long offset = BitmapHeader.BitmapAt; offset < end; offset += ReadBytes)
        {
            Span<byte> bits = buffer.AsSpan(0, (int)Math.Min(ReadBytes, end - offset));
            _metadata.ReadAt(bits, offset);
            Fingerprint = BitmapHeader.Checksum(bits, Fingerprint);
            if (bits.IndexOfAnyExcept((byte)0) >= 0)
            {
                ulong chunk = (ulong)(offset - BitmapHeader.BitmapAt) * 8;
                RequireOnDisk(chunk, bits, offset);
                owners.Mark(chunk, bits, owner);
            }
        }
    }

    private void RequireOnDisk(ulong first, ReadOnlySpan<byte> bits, long offset)
    {
        for (ulong bit = Math.Min(Header.Chunks - first, (ulong)bits.Length * 8); bit < (ulong)bits.Length * 8; bit++)
        {
            if ((bits[(int)(bit / 8)] >> (int)(bit % 8) & 1) != 0)
            {
                throw new ImageFormatException(_metadata.Name, offset + (long)(bit / 8), "no bit for a chunk beyond the end of the disk", $"one for chunk {first + bit}");
            }
        }
    }

    private static void Require(IImageFile file, ulong bytes)
    {
        if ((ulong)file.Length < bytes)
        {
            throw new ImageFormatException(file.Name, file.Length, $"{bytes} bytes", $"{file.Length}");
        }
    }
}
