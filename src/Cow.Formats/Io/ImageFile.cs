// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cow.Formats.Io;

/// <summary>
/// A file or block device through a descriptor that may have been opened O_DIRECT.
/// </summary>
/// <remarks>Every transfer goes through one pinned, aligned buffer. A write that does not fill its first or last block reads that block first, so
/// no one else may write the file meanwhile. A file whose length is no multiple of the block grows to one when its end is written.</remarks>
public sealed class ImageFile : IImageFile
{
    private const int DefaultBufferBytes = 64 * 1024;

    /// <summary>The buffer at first: an image can have thousands of files of which little more than a header is read.</summary>
    private const int SmallBufferBytes = 4096;

#if DEBUG
    private const int Parts = 2;
#else
    private const int Parts = 1;
#endif

    private readonly SafeFileHandle _handle;
    private readonly Func<long> _length;
    private readonly Func<SafeFileHandle, long, long?>? _nextData;
    private readonly Action<SafeFileHandle, string> _flush;
    private readonly int _block;
    private readonly int _bufferBytes;
    private byte[] _memory = [];
    private int _start;

    /// <summary>Takes over the descriptor.</summary>
    /// <param name="handle">Open for reading, and for writing where the image is written. Closed by Dispose.</param>
    /// <param name="name">Path, for messages.</param>
    /// <param name="alignment">Bytes that offset, length and memory of a transfer must be multiples of: a power of two, 512 to 65536.
    /// The logical block size of a device; 512 is enough where O_DIRECT is not used.</param>
    /// <param name="length">Asks for the bytes in it now, or null for a regular file. A block device needs one: fstat knows no size for it.</param>
    /// <param name="bufferBytes">How much is transferred at once: a power of two, not below the alignment.</param>
    /// <param name="nextData">Finds the next data of a regular file (SEEK_DATA of lseek(2); null where only a hole is left); null where holes do not matter.</param>
    /// <param name="flush">Makes what was written durable (fsync(2)), or throws <see cref="IOException"/>; gets the name. Null for that of .NET, which takes
    /// EROFS, EINVAL and EOPNOTSUPP for success: not for a file that somebody relies upon.</param>
    public ImageFile(
        SafeFileHandle handle,
        string name,
        int alignment = 4096,
        Func<long>? length = null,
        int bufferBytes = DefaultBufferBytes,
        Func<SafeFileHandle, long, long?>? nextData = null,
        Action<SafeFileHandle, string>? flush = null)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!int.IsPow2(alignment) || alignment is < 512 or > DefaultBufferBytes)
        {
            throw new ArgumentOutOfRangeException(nameof(alignment), alignment, "a power of two from 512 to 65536");
        }
        if (!int.IsPow2(bufferBytes) || bufferBytes < alignment)
        {
            throw new ArgumentOutOfRangeException(nameof(bufferBytes), bufferBytes, "a power of two, not below the alignment");
        }
        _handle = handle;
        CanGrow = length is null;
        _length = length ?? (() => RandomAccess.GetLength(_handle));
        _nextData = nextData;
        _flush = flush ?? (static (file, _) => RandomAccess.FlushToDisk(file));
        _block = alignment;
        Name = name;
        _bufferBytes = bufferBytes;
        Allocate(Math.Min(bufferBytes, Math.Max(alignment, SmallBufferBytes)));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public long Length => _length();

    /// <inheritdoc/>
    public bool CanGrow { get; }

    /// <inheritdoc/>
    public void SetLength(long bytes)
    {
        if (!CanGrow)
        {
            throw new NotSupportedException($"{Name} is a device: its length is fixed");
        }
        RandomAccess.SetLength(_handle, bytes);
    }

    /// <inheritdoc/>
    public long NextData(long offset) => _nextData is null ? offset : _nextData(_handle, offset) ?? Math.Max(offset, Length);

    /// <inheritdoc/>
    public void ReadAt(Span<byte> buffer, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        while (!buffer.IsEmpty)
        {
            Piece piece = PieceAt(offset, buffer.Length);
            if (ReadBlocks(piece.Start, piece.Blocks) < piece.Skip + piece.Count)
            {
                throw new EndOfStreamException($"{Name}: {piece.Count} bytes at {offset} reach beyond the end");
            }
            Aligned(piece.Skip, piece.Count).CopyTo(buffer);
            buffer = buffer[piece.Count..];
            offset += piece.Count;
        }
    }

    /// <inheritdoc/>
    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        while (!data.IsEmpty)
        {
            Piece piece = PieceAt(offset, data.Length);
            if (piece.Count < piece.Blocks)
            {
                // Not whole blocks: what they hold beside the data stays. Beyond the end there is nothing to keep.
                int present = ReadBlocks(piece.Start, piece.Blocks);
                Aligned(present, piece.Blocks - present).Clear();
            }
            data[..piece.Count].CopyTo(Aligned(piece.Skip, piece.Count));
            WriteBlocks(piece.Start, piece.Blocks);
            data = data[piece.Count..];
            offset += piece.Count;
        }
    }

    /// <inheritdoc/>
    public void Flush() => _flush(_handle, Name);

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    /// <summary>Reads whole blocks into the buffer.</summary>
    /// <returns>Bytes read; fewer only at the end of the file.</returns>
    private int ReadBlocks(long start, int count)
    {
        int done = 0;
        while (done < count)
        {
            int read = RandomAccess.Read(_handle, Aligned(done, Step(count - done)), start + done);
            if (read < _block)
            {
                return done + read;
            }
            // On from a block's start: O_DIRECT takes no other.
            done += read / _block * _block;
        }
        return done;
    }

    private void WriteBlocks(long start, int count)
    {
        for (int done = 0; done < count;)
        {
            int step = Step(count - done);
            // RandomAccess.Write goes on after a short write by itself, and a short write of O_DIRECT ends on a block.
            RandomAccess.Write(_handle, Aligned(done, step), start + done);
            done += step;
        }
    }

    /// <summary>How much of some blocks to transfer at once: all; in DEBUG half, so that going on is what every test exercises.</summary>
    private int Step(int count) => Math.Max(_block, count / Parts / _block * _block);

    private Span<byte> Aligned(int from, int count) => _memory.AsSpan(_start + from, count);

    private Piece PieceAt(long offset, int wanted)
    {
        int skip = (int)(offset & (_block - 1));
        int count = Math.Min(wanted, _bufferBytes - skip);
        int blocks = (skip + count + _block - 1) & -_block;
        if (blocks > _memory.Length - _block)
        {
            Allocate(_bufferBytes);
        }
        return new Piece(offset - skip, skip, count, blocks);
    }

    private void Allocate(int bytes)
    {
        _memory = GC.AllocateUninitializedArray<byte>(bytes + _block, pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0);
        _start = (int)(-address & (_block - 1));
    }

    /// <summary>What of a transfer fits the buffer at once.</summary>
    /// <param name="Start">Byte offset in the file, on a block.</param>
    /// <param name="Skip">Bytes of the first block before the data.</param>
    /// <param name="Count">Bytes of data.</param>
    /// <param name="Blocks">Bytes of the blocks that hold it.</param>
    private readonly record struct Piece(long Start, int Skip, int Count, int Blocks);
}
