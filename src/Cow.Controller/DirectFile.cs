// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.DmIoctl;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller;

/// <summary>Opens files and block devices past the page cache where that is possible: what the kernel writes to them under us, and what we write, is
/// then seen by both.</summary>
[SuppressMessage("Reliability", "CA2000", Justification = "The image file takes the handle over.")]
internal static class DirectFile
{
    /// <summary>Bytes of a sector, and what the memory of a transfer is aligned to.</summary>
    private const int Sector = 512;
    private const int Page = 4096;

    /// <summary>Opens one.</summary>
    /// <param name="path">A regular file or block device; <see cref="IOException"/> for anything else.</param>
    /// <param name="write">Also for writing.</param>
    public static IImageFile Open(string path, bool write) => BlockDevice.IsFileOrBlockDevice(path)
        ? Over(path, write, TryDirect(() => BlockDevice.OpenDirect(path, write)), () => OpenCached(path, write))
        : throw new FileNotFoundException($"{path} is no file or block device", path);

    /// <summary>Opens one at a path that was judged: <see cref="ResolvedFile"/>.</summary>
    /// <param name="path">Full path, links resolved; <see cref="IOException"/> where there are any, and for anything but a regular file or block device.</param>
    /// <param name="write">Also for writing.</param>
    public static IImageFile OpenResolved(string path, bool write) =>
        Over(path, write, TryDirect(() => ResolvedFile.Open(path, write, direct: true)), () => ResolvedFile.Open(path, write));

    private static SafeFileHandle OpenCached(string path, bool write) =>
        File.OpenHandle(path, FileMode.Open, write ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>Null where the file system has no O_DIRECT; then nobody else goes past its cache either.</summary>
    private static SafeFileHandle? TryDirect(Func<SafeFileHandle> open)
    {
        try
        {
            return open();
        }
        catch (LinuxException e) when (e.Errno == Errno.EINVAL)
        {
            return null;
        }
    }

    private static ImageFile Over(string path, bool write, SafeFileHandle? direct, Func<SafeFileHandle> cached)
    {
        SafeFileHandle handle = Choose(direct, cached, TakesSectors);
        try
        {
            return BlockDevice.IsBlock(handle)
                ? new ImageFile(
                    handle, path, Math.Max(Sector, (int)BlockDevice.LogicalBlockSize(handle)), () => (long)BlockDevice.SizeBytes(handle), flush: FileSync.Flush)
                : new ImageFile(handle, path, Sector, nextData: SparseFile.NextData, flush: write ? FileSync.Flush : FileSync.FlushWherePossible);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A file is opened past the cache where that takes single sectors. Where it takes larger blocks only, a sector would be written with what lies beside it in its
    /// block, as it was read before, and that may be a guest's, whom the kernel serves at the same moment. There its loop device, which has sectors of 512
    /// bytes, goes through the cache, too.
    /// </summary>
    /// <param name="direct">Past the cache; null where that cannot be. Closed where it is not chosen.</param>
    /// <param name="cached">Opens through it.</param>
    /// <param name="takesSectors">Asks a file.</param>
    internal static SafeFileHandle Choose(SafeFileHandle? direct, Func<SafeFileHandle> cached, Func<SafeFileHandle, bool> takesSectors)
    {
        if (direct is null)
        {
            return cached();
        }

        bool chosen = false;
        try
        {
            chosen = BlockDevice.IsBlock(direct) || takesSectors(direct);
        }
        finally
        {
            if (!chosen)
            {
                direct.Dispose();
            }
        }

        return chosen ? direct : cached();
    }

    /// <summary>Whether O_DIRECT takes single sectors; asked by trying, since not every kernel and file system tells. An empty file tells nothing, and nobody
    /// else has it.</summary>
    internal static bool TakesSectors(SafeFileHandle handle)
    {
        byte[] memory = GC.AllocateArray<byte>(2 * Page, pinned: true);
        nint address = System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0);
        int start = (int)(-address & (Page - 1));
        try
        {
            return RandomAccess.Read(handle, memory.AsSpan(start, Sector), 0) > 0;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
