// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// open(2) as it is. File.OpenHandle would take an advisory flock, which udev respects on block devices and which
/// lives on in a loop device.
/// </summary>
internal static class FileOpen
{
    /// <summary>Opens, close-on-exec; throws <see cref="LinuxException"/>.</summary>
    /// <param name="path">A file that exists, unless the flags make it.</param>
    /// <param name="flags">O_*.</param>
    /// <param name="advice">For the error, where the path does not exist or has no driver.</param>
    /// <param name="mode">Permissions of a file that is made, less those that the umask takes.</param>
    public static SafeFileHandle Open(string path, int flags, string? advice = null, UnixFileMode mode = UnixFileMode.None)
    {
        int fd;
        do
        {
            fd = LibC.Open(path, flags | FileNumbers.CloseOnExec, (uint)mode);
        }
        while (Syscall.Interrupted(fd));
        if (fd >= 0)
        {
            return new SafeFileHandle(fd, ownsHandle: true);
        }

        var error = Syscall.LastError;
        bool missing = error is Errno.ENOENT or Errno.ENODEV or Errno.ENXIO;
        throw new LinuxException(error, "open", path, missing ? advice : null);
    }
}
