// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>
/// Locks on image files and block devices as QEMU takes them, so that a virtual machine and we never write the same one. QEMU's block/file-posix.c: for
/// each permission that it uses a shared lock on byte 100 + n, for each that it does not grant to others one on byte 200 + n; who wants either asks about
/// the other.
/// </summary>
/// <remarks>A device's are on its node, which is a file like any other: who has the same device by another node does not meet them.</remarks>
/// <param name="open">Opens a file for reading, without an flock, which others than QEMU respect; null: whatever its path leads to.</param>
internal sealed class ImageLocks(Func<string, SafeFileHandle>? open = null) : IDisposable
{
    private const long Used = 100;
    private const long Denied = 200;

    // Permissions of QEMU's include/block/block-common.h.
    private const int ConsistentRead = 0;
    private const int Write = 1;
    private const int Resize = 3;

    private static readonly int[] Changes = [Write, Resize];

    // Two devices that come up at once would each see what the other has taken so far, and both give up.
    private static readonly Lock OneAtATime = new();

    private readonly List<SafeFileHandle> _files = [];

    /// <summary>A file or device that we write, or only read.</summary>
    public void Lock(string file, bool write)
    {
        if (write)
        {
            LockStore(file);
        }
        else
        {
            LockBase(file);
        }
    }

    /// <summary>A file or device that we read, and that nobody may change meanwhile.</summary>
    public void LockBase(string file) => Take(file, [ConsistentRead], Changes);

    /// <summary>A file or device that we alone write.</summary>
    public void LockStore(string file) => Take(file, [ConsistentRead, Write, Resize], Changes);

    public void Dispose()
    {
        foreach (SafeFileHandle file in _files)
        {
            file.Dispose();
        }
    }

    private void Take(string file, int[] used, int[] denied)
    {
        SafeFileHandle handle = (open ?? FileLock.Open)(file);
        _files.Add(handle);
        bool taken;
        lock (OneAtATime)
        {
            taken = Array.TrueForAll(used, permission => FileLock.TryLock(handle, Used + permission, 1, exclusive: false))
                && Array.TrueForAll(denied, permission => FileLock.TryLock(handle, Denied + permission, 1, exclusive: false))
                && !Array.Exists(used, permission => FileLock.IsHeldByOthers(handle, Denied + permission, 1, exclusive: true))
                && !Array.Exists(denied, permission => FileLock.IsHeldByOthers(handle, Used + permission, 1, exclusive: true));
        }

        if (!taken)
        {
            throw new RefusedException(
                ExitCode.InUse, file, "is in use by a virtual machine (QEMU holds its image lock)", "stop the machine, or use another file or device");
        }
    }
}
