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
    /// <summary>What a device is made zeros of at once: seconds, where it has to write them.</summary>
    private const long ZeroStepBytes = 256L << 20;

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

    /// <summary>It may hold something else than before.</summary>
    public bool IsWritten { get; private set; }

    /// <summary>Ends writing early, with <see cref="OperationCanceledException"/>: a format may write zeros for hours before it has an image.</summary>
    public CancellationToken Stop { get; set; }

    /// <summary>Opens what exists.</summary>
    /// <exception cref="IOException">It is empty, or neither a regular file nor a block device: a pipe would block.</exception>
    public static PlainFile Open(string path, bool writable, bool holdsFlushes = false)
    {
        bool device = BlockDevice.IsBlockDevice(path);
        if (!device && new FileInfo(path).Length == 0)
        {
            throw new IOException($"{path} is empty, or neither a regular file nor a block device");
        }

        return Over(OpenHandle(path, FileMode.Open, writable), path, device, holdsFlushes);
    }

    /// <summary>Opens what exists at a path that was judged: <see cref="ResolvedFile"/>.</summary>
    /// <param name="path">Full path, links resolved.</param>
    /// <param name="writable">Also for writing.</param>
    /// <exception cref="IOException">It is empty, or neither a regular file nor a block device, or reached through a link after all.</exception>
    public static PlainFile OpenResolved(string path, bool writable)
    {
        SafeFileHandle handle = ResolvedFile.Open(path, writable);
        PlainFile file = Over(handle, path, BlockDevice.IsBlock(handle), holdsFlushes: false);
        if (file.Length == 0)
        {
            file.Dispose();
            throw new IOException($"{path} is empty, or neither a regular file nor a block device");
        }

        return file;
    }

    /// <summary>Makes an empty file, under a name that there is not yet.</summary>
    /// <param name="path">Where.</param>
    /// <param name="name">What it is called in messages.</param>
    /// <param name="ownerOnly">Nobody else can open it before <see cref="Give"/>; else who may is up to the umask.</param>
    public static PlainFile CreateNew(string path, string name, bool ownerOnly = false) => Over(
        ownerOnly ? FileRights.CreateOwn(path) : OpenHandle(path, FileMode.CreateNew, writable: true), name, device: false, holdsFlushes: true);

    /// <summary>Makes it another's, and lets others open it.</summary>
    public void Give(FileRights rights) => rights.GiveTo(_handle);

    /// <summary>What is said where .NET says that a length is out of range: its word for EFBIG.</summary>
    public static CliException TooLarge(string path, long bytes) =>
        new(ExitCode.NoSpace, path, $"cannot have {bytes} bytes on this file system", Failures.LargerFiles);

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
            throw TooLarge(Name, bytes);
        }

        Volatile.Write(ref _length, bytes);
    }

    public long NextData(long offset) => CanGrow ? SparseFile.NextData(_handle, offset) ?? Math.Max(offset, Length) : offset;

    public void ReadAt(Span<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            int read = Read(buffer, offset);
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
        Stop.ThrowIfCancellationRequested();
        IsWritten = true;
        try
        {
            RandomAccess.Write(_handle, data, offset);
        }
        catch (IOException e)
        {
            throw Named(e, "write");
        }
        catch (ArgumentOutOfRangeException)
        {
            throw TooLarge(Name, offset + data.Length);
        }

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
    public void FlushNow() => FileSync.Flush(_handle, Name);

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

    /// <summary>Makes a device read as zeros, to the end of the block in which the range ends.</summary>
    /// <param name="bytes">Bytes of the range, from the start.</param>
    /// <param name="progress">Told how many bytes are done.</param>
    public void ZeroDevice(long bytes, Action<ulong> progress)
    {
        long block = BlockDevice.LogicalBlockSize(_handle);
        long end = (bytes + block - 1) / block * block;
        for (long at = 0; at < end; at += ZeroStepBytes)
        {
            Stop.ThrowIfCancellationRequested();
            IsWritten = true;
            SparseFile.Zero(_handle, at, Math.Min(ZeroStepBytes, end - at));
            progress((ulong)at);
        }
    }

    public void Dispose() => _handle.Dispose();

    private int Read(Span<byte> buffer, long offset)
    {
        try
        {
            return RandomAccess.Read(_handle, buffer, offset);
        }
        catch (IOException e)
        {
            throw Named(e, "read");
        }
    }

    /// <summary>The same, with the file's name: .NET does not know that of a handle which it did not open. Its results are error numbers.</summary>
    private LinuxException Named(IOException e, string operation) => new((Errno)e.HResult, operation, Name);

    // ReadWrite: other programs are kept out by QEMU's locks; the flock that .NET would take is respected by none of them.
    private static SafeFileHandle OpenHandle(string path, FileMode mode, bool writable) =>
        File.OpenHandle(path, mode, writable ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    private static PlainFile Over(SafeFileHandle handle, string name, bool device, bool holdsFlushes)
    {
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
