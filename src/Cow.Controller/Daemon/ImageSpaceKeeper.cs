// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>
/// Room in the files of a disk image, which grow as it is written: blocks allocated, and the loop device on the file as large as the file, before a
/// place is given out. An image on a device has what the device has.
/// </summary>
internal sealed class ImageSpaceKeeper : ISpaceKeeper, IDisposable
{
    /// <summary>How far a file grows ahead of what is asked for: telling the loop device costs more than the fault.</summary>
    private const long Ahead = 8 << 20;

    private readonly Part[] _parts;

    /// <summary>Takes the files of an image.</summary>
    /// <param name="info">The image. Its files are closed by its opener.</param>
    /// <param name="devices">The block device that serves each of them.</param>
    /// <param name="readOnly">Nothing will be placed.</param>
    public ImageSpaceKeeper(ImageInfo info, IReadOnlyList<string> devices, bool readOnly)
    {
        _parts = [.. info.Files.Select((file, i) => Part.Of(file, info.Paths[i], devices[i], readOnly))];
        HasAll = info.Files.All(static file => !file.CanGrow);
    }

    public bool HasAll { get; }

    public bool Ensure(int device, ByteRange bytes) => bytes.Length == 0 || _parts[device].Ensure(bytes.Offset, bytes.Offset + bytes.Length);

    public void Fill(Place place, ReadOnlySpan<byte> data) =>
        _parts[place.Device].Data.WriteAt(data, checked((long)place.Sector * ChunkGeometry.SectorBytes));

    public void FlushData()
    {
        foreach (Part part in _parts)
        {
            part.Data.Flush();
        }
    }

    public void Dispose()
    {
        foreach (Part part in _parts)
        {
            part.Dispose();
        }
    }

    /// <summary>One file.</summary>
    private sealed class Part : IDisposable
    {
        private readonly SafeFileHandle? _file;
        private readonly LoopDevice? _loop;
        private long _capacity;
        private long _from;
        private long _to;

        private Part(IImageFile data) => (Data, _capacity) = (data, data.Length);

#pragma warning disable CA2000 // Disposed with the part.
        private Part(IImageFile data, string path, string device)
        {
            Data = data;
            using SafeFileHandle node = BlockDevice.OpenDirect(device, write: false);
            _capacity = checked((long)BlockDevice.SizeBytes(node));
            _loop = LoopDevice.Open(int.Parse(device.AsSpan("/dev/loop".Length), CultureInfo.InvariantCulture));
            _file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        }
#pragma warning restore CA2000

        /// <summary>Past the cache of metadata.</summary>
        public IImageFile Data { get; }

        public static Part Of(IImageFile file, string path, string device, bool readOnly)
        {
            IImageFile data = file is CachedFile cached ? cached.Uncached : file;
            return data.CanGrow && !readOnly ? new Part(data, path, device) : new Part(data);
        }

        /// <summary>On a true return the kernel can write these bytes, whatever else fills the file system. A device has all of its bytes.</summary>
        public bool Ensure(long from, long to)
        {
            if (_file is null)
            {
                // It may have grown.
                return to <= _capacity || to <= (_capacity = Data.Length);
            }

            if (from >= _from && to <= _to)
            {
                return true;
            }

            // Only behind the old end is it worth to go ahead: there the next places will be.
            bool grows = to > _capacity;
            long end = grows && Allocate(from, to + Ahead) ? to + Ahead : to;
            if (end == to && !Allocate(from, to))
            {
                return false;
            }

            if (from <= _to && to >= _from)
            {
                // Beside each other, as data and the metadata that will name it mostly are.
                (_from, _to) = (Math.Min(_from, from), Math.Max(_to, end));
            }
            else if (grows)
            {
                (_from, _to) = (from, end);
            }

            if (grows)
            {
                _loop!.SetCapacity();
                _capacity = end;
            }

            return true;
        }

        public void Dispose()
        {
            _file?.Dispose();
            _loop?.Dispose();
        }

        private bool Allocate(long from, long to)
        {
            try
            {
                BlockDevice.Preallocate(_file!, from, to - from);
                return true;
            }
            catch (LinuxException e) when (e.Errno == Errno.EOPNOTSUPP)
            {
                // This file system cannot promise; then a copy that meets ENOSPC is held by the kernel.
                if (RandomAccess.GetLength(_file!) < to)
                {
                    RandomAccess.SetLength(_file!, to);
                }

                return true;
            }
            catch (LinuxException e) when (e.IsForWantOfRoom)
            {
                return false;
            }
        }
    }
}
