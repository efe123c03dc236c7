// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Cow.Formats;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>Space of a store on a block device, all of which is there; and, when the device is a loop, of the sparse file behind it.</summary>
internal sealed class DeviceSpaceKeeper : ISpaceKeeper, IDisposable
{
    /// <summary>How far ahead blocks are taken while places are given out one behind the other: a call for each would cost more than the fault.</summary>
    private const long Ahead = 8 << 20;

    private readonly string _name;
    private readonly SafeFileHandle _device;
    private readonly SafeFileHandle? _file;

    // Bytes of the file that are known to have blocks, all of them.
    private long _from;
    private long _to;

    /// <summary>Opens the device.</summary>
    /// <param name="device">Block device of the store.</param>
    /// <param name="file">The file behind it, or null.</param>
    /// <param name="readOnly">Nothing will be placed.</param>
    public DeviceSpaceKeeper(string device, string? file, bool readOnly)
    {
        _name = device;
        _device = BlockDevice.OpenDirect(device, !readOnly);
        _file = file is null || readOnly ? null : File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
    }

    public bool HasAll => _file is null;

    public bool Ensure(int device, ByteRange bytes)
    {
        long end = bytes.Offset + bytes.Length;
        if (_file is null || device != 0 || bytes.Length == 0 || (bytes.Offset >= _from && end <= _to))
        {
            return true;
        }

        long ahead = Math.Min(end + Ahead, RandomAccess.GetLength(_file));
        bool follows = bytes.Offset >= _from && bytes.Offset <= _to && _to > _from;
        if (follows && ahead > end && Preallocate(_to, ahead - _to))
        {
            _to = ahead;
            return true;
        }

        if (!Preallocate(bytes.Offset, bytes.Length))
        {
            return false;
        }

        // Beside each other, as data and the metadata that will name it mostly are; of what lies in a gap nothing is known.
        bool beside = bytes.Offset <= _to && end >= _from;
        (_from, _to) = beside ? (Math.Min(_from, bytes.Offset), Math.Max(_to, end)) : (bytes.Offset, end);
        return true;
    }

    public void Fill(Place place, ReadOnlySpan<byte> data) => throw new NotSupportedException("a store keeps every chunk as it is");

    public void FlushData() => FileSync.Flush(_device, _name);

    public void Dispose()
    {
        _device.Dispose();
        _file?.Dispose();
    }

    private bool Preallocate(long offset, long length)
    {
        try
        {
            BlockDevice.Preallocate(_file!, offset, length);
            return true;
        }
        catch (LinuxException e) when (e.Errno == Errno.EOPNOTSUPP)
        {
            // This file system cannot promise; then a copy that meets ENOSPC is failed by the kernel.
            return true;
        }
        catch (LinuxException e) when (e.IsForWantOfRoom)
        {
            return false;
        }
    }
}
