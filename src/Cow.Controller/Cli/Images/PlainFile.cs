// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Cli.Images;

/// <summary>
/// A regular file or block device through the page cache, without a buffer of its own: transfers are as large as they are asked for. For verbs that
/// work offline, where nobody goes past the cache.
/// </summary>
/// <remarks>Any thread: nothing here has a position. The length is asked for once and followed from then on, so nobody else may change it.</remarks>
internal sealed class PlainFile : IImageFile
{
    private readonly SafeFileHandle _handle;
    private long _length;

    private PlainFile(SafeFileHandle handle, string name, bool device)
    {
        _handle = handle;
        Name = name;
        CanGrow = !device;
        _length = device ? checked((long)BlockDevice.SizeBytes(handle)) : RandomAccess.GetLength(handle);
    }

    public string Name { get; }

    public long Length => Volatile.Read(ref _length);

    public bool CanGrow { get; }

    /// <summary><see cref="Flush"/> does nothing: for a file that is thrown away unless all of it succeeds. Ends with <see cref="FlushNow"/>.</summary>
    public bool HoldsFlushes { get; init; }

    /// <summary>Opens what exists.</summary>
    /// <exception cref="IOException">It is empty, or neither a regular file nor a block device: a pipe would block.</exception>
    public static PlainFile Open(string path, bool writable, bool holdsFlushes = false)
    {
        bool device = BlockDevice.IsBlockDevice(path);
        if (!device && new FileInfo(path).Length == 0)
        {
            throw new IOException($"{path} is empty, or neither a regular file nor a block device");
        }

        return Over(path, path, FileMode.Open, writable, device, holdsFlushes);
    }

    /// <summary>Makes an empty file, under a name that there is not yet.</summary>
    /// <param name="path">Where.</param>
    /// <param name="name">What it is called in messages.</param>
    public static PlainFile CreateNew(string path, string name) =>
        Over(path, name, FileMode.CreateNew, writable: true, device: false, holdsFlushes: true);

    public void SetLength(long bytes)
    {
        if (!CanGrow)
        {
            throw new NotSupportedException($"{Name} is a device: its length is fixed");
        }

        try
        {
            RandomAccess.SetLength(_handle, bytes);
        }
        catch (ArgumentOutOfRangeException)
        {
            throw new CliException(ExitCode.NoSpace, Name, $"cannot have {bytes} bytes on this file system", "take another format, or another file system");
        }

        Volatile.Write(ref _length, bytes);
    }

    public long NextData(long offset) => CanGrow ? SparseFile.NextData(_handle, offset) ?? Math.Max(offset, Length) : offset;

    public void ReadAt(Span<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            int read = RandomAccess.Read(_handle, buffer, offset);
            if (read == 0)
            {
                throw new EndOfStreamException($"{Name}: {buffer.Length} bytes at {offset} reach beyond the end");
            }

            buffer = buffer[read..];
            offset += read;
        }
    }

    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        RandomAccess.Write(_handle, data, offset);
        long end = offset + data.Length;
        for (long length = Length; CanGrow && length < end;)
        {
            length = Interlocked.CompareExchange(ref _length, end, length);
        }
    }

    public void Flush()
    {
        if (!HoldsFlushes)
        {
            FlushNow();
        }
    }

    /// <summary>Makes all writes before it durable, whatever <see cref="HoldsFlushes"/> says.</summary>
    public void FlushNow() => RandomAccess.FlushToDisk(_handle);

    /// <summary>Whether there is data at an offset, or a hole of the file, and how far.</summary>
    /// <param name="offset">Byte offset inside the file.</param>
    /// <param name="length">Bytes that are of interest, inside the file.</param>
    /// <param name="data">There is data.</param>
    /// <returns>Bytes of the run, not more than asked for.</returns>
    public long RunAt(long offset, long length, out bool data)
    {
        long end = offset + length;
        long hole = CanGrow ? SparseFile.NextHole(_handle, offset) ?? end : end;
        data = hole > offset;
        long next = data ? hole : SparseFile.NextData(_handle, offset) ?? end;
        return Math.Min(next, end) - offset;
    }

    /// <summary>Makes all of a device read as zeros.</summary>
    public void ZeroDevice(long bytes) => SparseFile.Zero(_handle, 0, bytes);

    public void Dispose() => _handle.Dispose();

    private static PlainFile Over(string path, string name, FileMode mode, bool writable, bool device, bool holdsFlushes)
    {
        // ReadWrite: other programs are kept out by QEMU's locks; the flock that .NET would take is respected by none of them.
        FileAccess access = writable ? FileAccess.ReadWrite : FileAccess.Read;
        SafeFileHandle handle = File.OpenHandle(path, mode, access, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            return new PlainFile(handle, name, device) { HoldsFlushes = holdsFlushes };
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }
}
