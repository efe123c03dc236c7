// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Makes and opens VMDK images, and writes streamOptimized ones.</summary>
internal sealed class VmdkDriver : IStreamingDriver
{
    public const string FormatName = "vmdk";

    public string Name => FormatName;

    public bool Probe(IImageFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return SparseOpener.Probe(file) || VmdkDescriptor.Probe(file);
    }

    public IDiskImage Open(ImageSource source, ImageOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Snapshot is not null)
        {
            throw new ArgumentException("a VMDK has no snapshots inside", nameof(options));
        }
        return new VmdkOpening(source, options).Open();
    }

    public IDiskImage Create(ImageSource source, ImageCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        return new VmdkOpening(source, new ImageOpenOptions(Writable: true), new VmdkCreation(source, options).Run()).Open();
    }

    public IStreamedImage Stream(ImageSource source, ImageCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        return new VmdkCreation(source, options, VmdkSettings.ReadStream(options.Settings)).Stream();
    }
}
