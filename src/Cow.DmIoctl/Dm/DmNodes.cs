// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>The nodes in /dev/mapper, for machines without udev and for those whose udev does not come to the end.</summary>
/// <param name="directory">/dev/mapper; another one in tests.</param>
internal sealed class DmNodes(string directory)
{
    private const uint OwnerOnly = 0x180; // 0600
    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite
        | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Makes the node, unless a right one is there; a wrong one is replaced.</summary>
    /// <param name="name">The device.</param>
    /// <param name="number">Its number.</param>
    public void Ensure(DmName name, DeviceNumber number)
    {
        string path = PathOf(name);
        if (IsRight(path, number))
        {
            return;
        }

        Directory.CreateDirectory(directory, DirectoryMode);
        File.Delete(path);
        if (LibC.MkNod(path, StatNumbers.Block | OwnerOnly, number.Encode()) >= 0)
        {
            return;
        }

        var error = Syscall.LastError;
        if (error != Errno.EEXIST || !IsRight(path, number))
        {
            throw new LinuxException(error, "mknod", path);
        }
    }

    /// <summary>
    /// Makes what udev would have made, a link to dm-N, so that udev can replace it later; a node where there is no
    /// dm-N to link to.
    /// </summary>
    /// <param name="name">The device.</param>
    /// <param name="number">Its number.</param>
    public void EnsureInPlaceOfUdev(DmName name, DeviceNumber number)
    {
        string path = PathOf(name);
        string target = $"../dm-{number.Minor}";
        if (IsRight(path, number))
        {
            return;
        }

        if (!IsRight(Path.Combine(directory, target), number))
        {
            Ensure(name, number);
            return;
        }

        File.Delete(path);
        File.CreateSymbolicLink(path, target);
    }

    /// <summary>Removes the node or link, unless it stands for a device that lives: somebody made it anew.</summary>
    /// <param name="name">The device that is gone.</param>
    /// <param name="number">The number that it had.</param>
    public void Remove(DmName name, DeviceNumber number)
    {
        string path = PathOf(name);
        var status = FileStatus.Find(path, follow: true);
        if (status is null || (status.Value.IsBlock && status.Value.Node == number))
        {
            File.Delete(path);
        }
    }

    private string PathOf(DmName name) => Path.Combine(directory, name.Value);

    private static bool IsRight(string path, DeviceNumber number) =>
        FileStatus.Find(path, follow: true) is { IsBlock: true } status && status.Node == number;
}
