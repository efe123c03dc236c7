// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Daemon;
using Cow.DmIoctl;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Cli.Real;

/// <summary>Devices and files of this machine.</summary>
internal sealed class StoreFiles(DaemonPaths paths) : IStoreFiles
{
    public bool Exists(string path) => File.Exists(path);

    public bool IsBlockDevice(string path) => BlockDevice.IsBlockDevice(path);

    public bool AreSame(string path, string other) => FileIdentity.AreSame(path, other);

    public long Size(string path)
    {
        RequirePresent(path);
        if (!BlockDevice.IsBlockDevice(path))
        {
            return new FileInfo(path).Length;
        }

        using SafeFileHandle handle = BlockDevice.OpenDirect(path, write: false);
        return (long)BlockDevice.SizeBytes(handle);
    }

    public IImageFile OpenForReading(string path)
    {
        RequirePresent(path);
        StoreUsers.RequireNoWriter(paths, path);
        return Open(path, write: false);
    }

    public CreatedFile? Make(string path)
    {
        try
        {
            new FileStream(path, FileMode.CreateNew, FileAccess.Write).Dispose();
        }
        catch (IOException) when (Path.Exists(path))
        {
            return null;
        }

        return CreatedFile.Of(path);
    }

    public IImageFile OpenForWriting(string path)
    {
        RequirePresent(path);
        StoreUsers.RequireNone(paths, path);
        return Open(path, write: true);
    }

    public void Grow(string path, long bytes)
    {
        if (!BlockDevice.IsBlockDevice(path) && new FileInfo(path).Length < bytes)
        {
            using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            try
            {
                RandomAccess.SetLength(file, bytes);
            }
            catch (ArgumentOutOfRangeException)
            {
                throw PlainFile.TooLarge(path, bytes);
            }
        }
    }

    private static void RequirePresent(string path)
    {
        if (!Path.Exists(path))
        {
            throw new CliException(ExitCode.NotFound, path, "there is no such device or file", "check the path");
        }

        if (!BlockDevice.IsFileOrBlockDevice(path))
        {
            throw new CliException(ExitCode.BadStore, path, "is neither a regular file nor a block device", "name one");
        }
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The image file takes the handle over.")]
    private static ImageFile Open(string path, bool write)
    {
        SafeFileHandle handle = OpenHandle(path, write);
        try
        {
            // O_DIRECT into a file asks for the block size of the disk below, which is at most this.
            int alignment = BlockDevice.IsBlockDevice(path) ? (int)BlockDevice.LogicalBlockSize(handle) : 4096;
            return new ImageFile(handle, path, alignment, () => (long)BlockDevice.SizeBytes(handle), flush: FileSync.Flush);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static SafeFileHandle OpenHandle(string path, bool write)
    {
        try
        {
            return BlockDevice.OpenDirect(path, write);
        }
        catch (LinuxException e) when (e.Errno == Errno.EINVAL)
        {
            // The file system has no O_DIRECT; then nobody else goes past its cache either.
            return File.OpenHandle(path, FileMode.Open, write ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite);
        }
    }
}
