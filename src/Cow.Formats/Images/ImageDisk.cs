// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images;

/// <summary>
/// Reads and writes the disk of a chain without a kernel: copies chunks, keeps uncommitted places, commits on <see cref="Flush"/>. For conversion
/// and repair, and for the tests, which hold the formats against QEMU with it.
/// </summary>
/// <remarks>Not thread-safe. Order of writes: data, flush of the data files, commit, flush; see <see cref="ICowFormat"/>.</remarks>
public sealed class ImageDisk : IDisposable
{
    private readonly List<PlacedRun> _uncommitted = [];
    private readonly Dictionary<ulong, Place> _places = [];
    private readonly ulong _chunkBytes;
    private byte[] _buffer = [];

    /// <summary>Takes over a chain.</summary>
    public ImageDisk(ImageChain chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        Chain = chain;
        _chunkBytes = (ulong)chain.Info.ChunkSectors * 512;
    }

    /// <summary>The chain.</summary>
    public ImageChain Chain { get; }

    /// <summary>Bytes of the disk.</summary>
    public ulong Length => Chain.Info.VirtualSize!.Value;

    /// <summary>Reads.</summary>
    /// <param name="offset">Byte offset; a multiple of 512.</param>
    /// <param name="data">Bytes to fill; a multiple of 512.</param>
    public void Read(ulong offset, Span<byte> data)
    {
        while (!data.IsEmpty)
        {
            int part = (int)Math.Min((ulong)data.Length, _chunkBytes - (offset % _chunkBytes));
            if (_places.TryGetValue(offset / _chunkBytes, out Place place))
            {
                ReadPlace(place, offset % _chunkBytes, data[..part]);
            }
            else
            {
                Chain.ReadAt(offset, data[..part]);
            }
            data = data[part..];
            offset += (ulong)part;
        }
    }

    /// <summary>Writes; durable after <see cref="Flush"/>.</summary>
    /// <param name="offset">Byte offset; a multiple of 512.</param>
    /// <param name="data">A multiple of 512 bytes.</param>
    /// <exception cref="IOException">The image is full.</exception>
    public void Write(ulong offset, ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            ulong chunk = offset / _chunkBytes;
            ulong within = offset % _chunkBytes;
            int part = (int)Math.Min((ulong)data.Length, _chunkBytes - within);
            Place place = PlaceOf(chunk, within, data[..part], out bool written);
            if (!written)
            {
                File(place).WriteAt(data[..part], ((long)place.Sector * 512) + (long)within);
            }
            data = data[part..];
            offset += (ulong)part;
        }
    }

    /// <summary>Makes a part of the disk read as zeros, without taking room where the format can say so.</summary>
    /// <param name="offset">Byte offset; a multiple of 512.</param>
    /// <param name="length">A multiple of 512 bytes.</param>
    public void Zero(ulong offset, ulong length)
    {
        while (length > 0)
        {
            ulong chunk = offset / _chunkBytes;
            ulong within = offset % _chunkBytes;
            ulong part = Math.Min(length, _chunkBytes - within);
            bool whole = within == 0 && (part == _chunkBytes || offset + part == Length);
            if (whole && _places.ContainsKey(chunk))
            {
                Flush();
            }
            if (!whole || !Chain.TryZero(new ChunkRun(chunk, 1)))
            {
                Write(offset, new byte[part]);
            }
            offset += part;
            length -= part;
        }
    }

    /// <summary>Makes all writes before it durable.</summary>
    public void Flush()
    {
        foreach (IImageFile file in Chain.Images[0].Info.Files)
        {
            file.Flush();
        }
        Chain.Commit(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_uncommitted));
        _uncommitted.Clear();
        _places.Clear();
        Chain.Flush();
    }

    /// <summary>Flushes and closes cleanly. Only Dispose may follow.</summary>
    public void Close()
    {
        Flush();
        Chain.Close();
    }

    /// <inheritdoc/>
    public void Dispose() => Chain.Dispose();

    /// <summary>The chunk's place; a new one is filled with what the chunk reads now, with <paramref name="data"/> over it.</summary>
    private Place PlaceOf(ulong chunk, ulong within, ReadOnlySpan<byte> data, out bool written)
    {
        written = false;
        if (_places.TryGetValue(chunk, out Place place))
        {
            return place;
        }
        Allocation answer = Chain.Allocate(new ChunkRun(chunk, 1));
        if (answer.NoSpace)
        {
            throw NoRoom.For(Chain.Images[0].Info.Paths[0], $"chunk {chunk}");
        }
        place = answer.Placed.Place;
        if (answer.Fill != Fill.None)
        {
            Span<byte> whole = Buffer((int)Math.Min(_chunkBytes, Length - (chunk * _chunkBytes)));
            Chain.ReadAt(chunk * _chunkBytes, whole);
            data.CopyTo(whole[(int)within..]);
            File(place).WriteAt(whole, (long)place.Sector * 512);
            _uncommitted.Add(answer.Placed);
            _places.Add(chunk, place);
            written = true;
        }
        return place;
    }

    private Span<byte> Buffer(int bytes)
    {
        if (_buffer.Length < bytes)
        {
            _buffer = new byte[bytes];
        }
        return _buffer.AsSpan(0, bytes);
    }

    private IImageFile File(Place place)
    {
        IImageFile file = Chain.Images[0].Info.Files[place.Device];
        return file is CachedFile cached ? cached.Uncached : file;
    }

    private void ReadPlace(Place place, ulong within, Span<byte> data) => File(place).ReadAt(data, ((long)place.Sector * 512) + (long)within);
}
