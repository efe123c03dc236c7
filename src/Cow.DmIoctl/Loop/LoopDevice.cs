// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl.Abi;
using Microsoft.Win32.SafeHandles;

namespace Cow.DmIoctl;

/// <summary>
/// A file as a block device, /dev/loopN. Unless it is on trial, it stays attached until <see cref="Detach"/>, also when this
/// object is disposed or the process ends: a mapped device may still use it. Any thread, one at a time. linux/loop.h.
/// </summary>
public sealed class LoopDevice : IDisposable
{
    private const string ControlPath = "/dev/loop-control";
    private const string Advice = "load the module: modprobe loop";
    private const int Tries = 64;
    private readonly SafeFileHandle _handle;

    private LoopDevice(int index, SafeFileHandle handle)
    {
        Index = index;
        _handle = handle;
    }

    /// <summary>The N of /dev/loopN.</summary>
    public int Index { get; }

    /// <summary>Its node.</summary>
    public string Path => $"/dev/loop{Index}";

    /// <summary>Its device number.</summary>
    public DeviceNumber Number => BlockDevice.NumberOf(Path);

    /// <summary>The file behind it, as sysfs names it; null where there is none (any more).</summary>
    public string? BackingFile => LoopSysfs.BackingFile(Index);

    /// <summary>Reads and writes pass the page cache of the file by.</summary>
    public bool IsDirectIo => LoopSysfs.Attribute(Index, "dio") == "1";

    /// <summary>Attaches a file to a free loop device. Takes no lock on the file.</summary>
    /// <param name="path">A file, or a block device.</param>
    /// <param name="readOnly">Open it for reading only.</param>
    /// <param name="directIo">Pass its page cache by, where the file system can; see <see cref="IsDirectIo"/>.</param>
    /// <param name="sectorSize">Logical block size in bytes: a power of two from 512 to 4096.</param>
    /// <param name="onTrial">The file is taken away when the last one closes the device, be it killed, until <see cref="Keep"/>.</param>
    public static LoopDevice Attach(string path, bool readOnly, bool directIo = true, uint sectorSize = 512, bool onTrial = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = FileOpen.Open(path, readOnly ? FileNumbers.ReadOnly : FileNumbers.ReadWrite);
        using var control = FileOpen.Open(ControlPath, FileNumbers.ReadWrite, Advice);
        var flags = (readOnly ? LoopFlags.ReadOnly : LoopFlags.None) | (onTrial ? LoopFlags.AutoClear : LoopFlags.None);
        for (int attempt = 0; attempt < Tries; attempt++)
        {
            int index = (int)Syscall.Check(
                LibC.Ioctl(control, LoopNumbers.CtlGetFree, 0), "LOOP_CTL_GET_FREE", ControlPath);
            var device = OpenNode(index, !readOnly);
            try
            {
                if (device.TryConfigure(file, path, flags, directIo, sectorSize))
                {
                    var attached = device;
                    device = null;
                    return attached;
                }
            }
            finally
            {
                device?.Dispose();
            }
        }

        throw new LinuxException(Errno.EBUSY, "LOOP_CONFIGURE", path, "every free loop device was taken by others");
    }

    /// <summary>Opens a loop device, attached or not.</summary>
    /// <param name="index">The N of /dev/loopN.</param>
    public static LoopDevice Open(int index) => OpenNode(index, write: false);

    /// <summary>The file behind a loop device; null where there is none.</summary>
    /// <param name="index">The N of /dev/loopN.</param>
    public static LoopDeviceInfo? Find(int index) => Describe(index);

    /// <summary>All loop devices that have a file behind them. Left out are those that go away meanwhile, and those whose file does not answer.</summary>
    /// <param name="except">Says of an index whether that one is left out: the kernel is asked about each of the others.</param>
    public static IReadOnlyList<LoopDeviceInfo> List(Func<int, bool>? except = null) => List(LoopSysfs.All(except), Describe);

    /// <summary>The same, of whatever tells about them.</summary>
    /// <param name="indices">Those that there are.</param>
    /// <param name="describe">Tells of one; null where it has no file.</param>
    internal static IReadOnlyList<LoopDeviceInfo> List(IEnumerable<int> indices, Func<int, LoopDeviceInfo?> describe)
    {
        var devices = new List<LoopDeviceInfo>();
        foreach (int index in indices)
        {
            try
            {
                if (describe(index) is { } info)
                {
                    devices.Add(info);
                }
            }
            catch (LinuxException)
            {
                // Of one the file system is gone (ESTALE, EIO): nobody is kept from the files of others by that.
            }
        }

        return devices;
    }

    /// <summary>The device to which a whole file is attached, under whatever path; null where there is none.</summary>
    /// <param name="path">The file.</param>
    public static LoopDevice? FindByBackingFile(string path)
    {
        var file = FileStatus.Of(path);
        foreach (var info in List())
        {
            if (info.Device == file.Device && info.Inode == file.Inode && info.Offset == 0 && info.SizeLimit == 0)
            {
                return Open(info.Index);
            }
        }

        return null;
    }

    /// <summary>Takes the file's new length over, after it was extended.</summary>
    public void SetCapacity() =>
        Syscall.Check(LibC.Ioctl(_handle, LoopNumbers.SetCapacity, 0), "LOOP_SET_CAPACITY", Path);

    /// <summary>
    /// Takes the file away: at once, or, while somebody has the device open (kernels differ in whether this object
    /// counts), when the last one closes it.
    /// ENXIO where it has none.
    /// </summary>
    public void Detach() => Syscall.Check(LibC.Ioctl(_handle, LoopNumbers.ClearFd, 0), "LOOP_CLR_FD", Path);

    /// <summary>Ends the trial: the file stays attached.</summary>
    public unsafe void Keep()
    {
        var info = Status();
        // Of all flags this one alone can be cleared; the rest stays as it is, whatever is said of it.
        info.Flags &= ~LoopFlags.AutoClear;
        Syscall.Check(LibC.Ioctl(_handle, LoopNumbers.SetStatus, &info), "LOOP_SET_STATUS64", Path);
    }

    /// <summary>Closes our descriptor; the file stays attached, unless it is on trial.</summary>
    public void Dispose() => _handle.Dispose();

    private static LoopDevice OpenNode(int index, bool write)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/dev/loop{index}");
        if (FileStatus.Find(path, follow: true) is null)
        {
            LoopSysfs.MakeNode(index, path);
        }

        return new LoopDevice(
            index, FileOpen.Open(path, write ? FileNumbers.ReadWrite : FileNumbers.ReadOnly, Advice));
    }

    private unsafe LoopInfo64 Status()
    {
        LoopInfo64 info;
        Syscall.Check(LibC.Ioctl(_handle, LoopNumbers.GetStatus, &info), "LOOP_GET_STATUS64", Path);
        return info;
    }

    private static LoopDeviceInfo? Describe(int index)
    {
        if (LoopSysfs.BackingFile(index) is not { } file)
        {
            return null;
        }

        try
        {
            using var device = Open(index);
            var info = device.Status();
            return new LoopDeviceInfo(
                index, file, DeviceNumber.Decode(info.Device), info.Inode, info.Offset, info.SizeLimit,
                info.Flags.HasFlag(LoopFlags.ReadOnly));
        }
        catch (LinuxException e) when (e.Errno is Errno.EACCES or Errno.EPERM)
        {
            return LoopSysfs.Describe(index, file);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENXIO or Errno.ENOENT or Errno.ENODEV)
        {
            return null;
        }
    }

    // False: somebody else has taken the device. Kernels since 6.15 refuse direct I/O that they cannot do, older
    // ones leave it out by themselves.
    private bool TryConfigure(
        SafeFileHandle file, string path, LoopFlags flags, bool directIo, uint sectorSize)
    {
        var error = Configure(file, path, directIo ? flags | LoopFlags.DirectIo : flags, sectorSize);
        if (error == Errno.EINVAL && directIo)
        {
            error = Configure(file, path, flags, sectorSize);
        }

        return error switch
        {
            Errno.None => true,
            Errno.EBUSY => false,
            _ => throw new LinuxException(error, "LOOP_CONFIGURE", path),
        };
    }

    private unsafe Errno Configure(SafeFileHandle file, string path, LoopFlags flags, uint sectorSize)
    {
        var config = new LoopConfig { BlockSize = sectorSize, Info = new LoopInfo64 { Flags = flags } };
        LoopSysfs.WriteName(path, config.Info.FileName);
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            config.Descriptor = (uint)file.DangerousGetHandle();
            return LibC.Ioctl(_handle, LoopNumbers.Configure, &config) < 0 ? Syscall.LastError : Errno.None;
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }
}
