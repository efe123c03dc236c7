// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>A store that is open, with the files that it lives in.</summary>
internal sealed class OpenedStore : ServedStore
{
    /// <summary>Of each file, all the time that the device is up: its metadata is read as a whole only once.</summary>
    private const int BufferBytes = 16 << 10;

    private readonly List<IImageFile> _files = [];
    private readonly FormatFiles _formatFiles;
    private readonly DeviceSpaceKeeper _space;
    private readonly SafeFileHandle? _claim;
    private readonly Func<DeviceSpaceKeeper?> _metadataSpace;
    private ICowFormat? _format;

    /// <summary>Opens the files past the page cache: the kernel writes the same device under it.</summary>
    public OpenedStore(DeviceState state, bool readOnly)
    {
        // It is in no table: of what is in one the kernel itself sees to it that it has no second user.
        _claim = state.BitmapDevice is null ? null : UseChecks.Claim(state.BitmapDevice);
        try
        {
            _formatFiles = Files(state, readOnly);
            _space = Keeper(state.CowDevice, state.Spec.Cow, readOnly);
        }
        catch
        {
            Close(_files, _claim);
            throw;
        }

        _metadataSpace = () => MetadataSpace(state, readOnly);
        Indices = new DeviceIndices(state.LayerDevices.Count);
    }

    public override ISpaceKeeper Space => _space;

    public override DeviceIndices Indices { get; }

    public override bool TellAll => true;

    public override ICowFormat Format => _format ?? throw new InvalidOperationException("the store is not open yet");

    /// <summary>The file whose first bytes say what it is.</summary>
    public IImageFile Head => _formatFiles.Metadata ?? _formatFiles.Store;

    /// <summary>The file that the data goes to.</summary>
    public IImageFile Data => _formatFiles.Store;

    public void Open(IFormatDriver driver, OpenOptions options) => _format = driver.Open(_formatFiles, options);

    public void Create(IFormatDriver driver, CreateOptions options) => _format = driver.Create(_formatFiles, options);

    /// <summary>Not by the keeper of the places, which would take the first of them for one that follows, and go ahead.</summary>
    public override bool KeepMetadata()
    {
        using DeviceSpaceKeeper? space = _metadataSpace();
        return space is not null && MetadataBlocks.Ensure(Format, Head, 0, space);
    }

    public override void Close() => Format.Close();

    protected override void Dispose(bool disposing)
    {
        _format?.Dispose();
        _space.Dispose();
        Close(_files, _claim);
    }

    private static void Close(List<IImageFile> files, SafeFileHandle? claim)
    {
        foreach (IImageFile file in files)
        {
            file.Dispose();
        }

        claim?.Dispose();
    }

    private FormatFiles Files(DeviceState state, bool readOnly)
    {
        IImageFile store = Open(state.CowDevice, !readOnly);
        IImageFile? bitmap = state.BitmapDevice is null ? null : Open(state.BitmapDevice, !readOnly);
        var layers = new List<LayerFiles>();
        for (int i = 0; i < state.LayerDevices.Count; i++)
        {
            string? layerBitmap = state.LayerBitmaps[i];
            layers.Add(new LayerFiles(Open(state.LayerDevices[i], write: false), layerBitmap is null ? null : Open(layerBitmap, write: false)));
        }

        return new FormatFiles(store, bitmap, layers);
    }

    /// <summary>Null where the name of the bitmap's file leads elsewhere by now: its loop device has it, and nothing else is opened in its place.</summary>
    private static DeviceSpaceKeeper? MetadataSpace(DeviceState state, bool readOnly) =>
        state.Spec.BitmapDevice is not { } bitmap ? Keeper(state.CowDevice, state.Spec.Cow, readOnly)
        : state.Parts.Any(part => part.Path == bitmap && !part.IsThere) ? null
        : Keeper(state.BitmapDevice!, bitmap, readOnly);

    private static DeviceSpaceKeeper Keeper(string device, string path, bool readOnly) =>
        new(device, BlockDevice.IsBlockDevice(path) ? null : path, readOnly);

#pragma warning disable CA2000 // The image file owns the handle, and this owns the image file.
    private ImageFile Open(string path, bool write)
    {
        SafeFileHandle handle = BlockDevice.OpenDirect(path, write);
        int block = Math.Max(ChunkGeometry.SectorBytes, checked((int)BlockDevice.LogicalBlockSize(handle)));
        var file = new ImageFile(
            handle, path, block, () => checked((long)BlockDevice.SizeBytes(handle)), Math.Max(BufferBytes, block), flush: FileSync.Flush);
        _files.Add(file);
        return file;
    }
}
