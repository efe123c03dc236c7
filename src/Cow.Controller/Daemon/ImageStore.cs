// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Daemon;

/// <summary>A disk image, with what it is backed by, that a device serves.</summary>
internal sealed class ImageStore : ServedStore
{
    private readonly DirectoryOpener _opener;
    private readonly ImageSource _image;
    private readonly bool _readOnly;
    private IImageFile? _scratchFile;
    private ScratchFile? _scratch;
    private ImageSpaceKeeper? _space;

    private ImageStore(ImageChain chain, DirectoryOpener opener, ImageSource image, bool readOnly)
    {
        Chain = chain;
        _opener = opener;
        _image = image;
        _readOnly = readOnly;
    }

    /// <summary>The image and what it is backed by.</summary>
    public ImageChain Chain { get; }

    public override ICowFormat Format => Chain;

    public override ISpaceKeeper Space => _space ?? throw new InvalidOperationException("the image is not served yet");

    /// <summary>The last layer, at the bottom of the chain, stands in the table as the base; the scratch file is a layer behind all of the chain.</summary>
    public override DeviceIndices Indices =>
        new(Math.Max(Chain.Layers.Count - 1, 0) + (_readOnly ? 1 : 0), Chain.Layers.Count - 1);

    public override ScratchFile? Scratch => _scratch;

    public override bool TellAll => false;

    /// <summary>A former process served the image and did not close it: what it had reserved in the image, and never used, is still counted there.</summary>
    public bool TakenOver { get; init; }

    /// <summary>Opens an image as it is asked for. Its own file is claimed already.</summary>
    /// <param name="spec">The image, and how.</param>
    /// <param name="cache">For its metadata.</param>
    /// <param name="claim">Called with the path of each file that it names, and whether that will be written, before that is opened: formats write to some
    /// when they open them.</param>
    /// <param name="served">What a former process served it as, <see cref="TakenOver"/>; the kernel has those devices open already.</param>
    public static ImageStore Open(CreateSpec spec, MetadataCache cache, Action<string, bool> claim, DeviceState? served = null)
    {
        DeviceImageSpec asked = spec.Image!;
        string image = FileIdentity.Of(spec.Cow);
        var opener = new DirectoryOpener(cache, asked.BackingDirectories, OpenClaimed, FileIdentity.Of);
        try
        {
            string?[] known = [spec.Base, served?.BaseDevice, .. served?.LayerDevices ?? [], .. served?.DataDevices ?? []];
            foreach (string path in known.OfType<string>())
            {
                opener.Allow(path);
            }

            OpenedFile file = opener.OpenGiven(spec.Cow, !spec.ReadOnly);
            var options = new ImageStackOptions(!spec.ReadOnly, spec.Format, asked.BackingFormat) { Snapshot = asked.Snapshot };
            var source = new ImageSource(file.File, file.Path, opener);
            return new ImageStore(ImageStack.Open(source, options), opener, source, spec.ReadOnly) { TakenOver = served is not null };
        }
        catch
        {
            opener.Dispose();
            throw;
        }

        IImageFile OpenClaimed(string path, bool writable)
        {
            if (FileIdentity.Of(path) != image)
            {
                claim(path, writable);
            }

            return DirectFile.OpenResolved(path, writable);
        }
    }

    /// <summary>Makes it ready to be served, once its files are block devices.</summary>
    public void Serve(DeviceState state)
    {
        _space = new ImageSpaceKeeper(Chain.Images[0].Info, [state.CowDevice, .. state.DataDevices], _readOnly);
        if (state.ScratchFile is { } path)
        {
            _scratchFile = DirectFile.Open(path, write: true);
            long most = state.Spec.Image!.ScratchBytes;
            _scratch = new ScratchFile(
                _scratchFile, Chain.Layers.Count, new ChunkGeometry(state.Sectors, state.ChunkSectors), () => most - SparseFile.OccupiedBytes(path));
        }
    }

    public override bool KeepMetadata()
    {
        bool all = true;
        IReadOnlyList<IImageFile> files = Chain.Images[0].Info.Files;
        for (int i = 0; i < files.Count; i++)
        {
            all &= MetadataBlocks.Ensure(Chain, files[i], i, Space);
        }

        return all;
    }

    public override void Close()
    {
        if (_readOnly)
        {
            return;
        }

        Chain.Close();
        _opener.Release(_image.Path);
        if (TakenOver && ImageRegistry.Find(Chain.Info.Format) is IRepairingDriver driver
            && driver.Repair(_image) is { Errors: [string error, ..] })
        {
            throw new ImageFormatException(_image.Path, 0, "an image without errors after it was closed", error);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _space?.Dispose();
        _scratchFile?.Dispose();
        Chain.Dispose();
        _opener.Dispose();
    }
}
