// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <summary>VHD (QEMU calls it vpc): fixed, dynamic and differencing images of Virtual PC, Hyper-V and Xen.</summary>
public sealed class VhdDriver : IImageDriver
{
    /// <summary>Name of the format.</summary>
    internal const string FormatName = "vhd";

    /// <summary>Name that QEMU has for it.</summary>
    internal const string NameInQemu = "vpc";

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public string QemuName => NameInQemu;

    /// <inheritdoc/>
    /// <remarks>A fixed image has its magic at its end, where a file of another format may have a guest's bytes: ask other drivers first.</remarks>
    public bool Probe(IImageFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return VhdFooters.Probe(file);
    }

    /// <inheritdoc/>
    public IDiskImage Open(ImageSource source, ImageOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Snapshot is not null)
        {
            throw new ArgumentException("a VHD has no snapshots inside", nameof(options));
        }
        VhdFooters footers = VhdFooters.Find(source.File);
        return footers.Footer.Type == VhdType.Fixed
            ? new VhdFixedImage(source, footers, options)
            : new VhdImage(source, VhdLayout.Read(source.File, footers, options.SizeByGeometry), options);
    }

    /// <inheritdoc/>
    public IDiskImage Create(ImageSource source, ImageCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        VhdMaker.Make(source.File, options);
        return Open(source, new ImageOpenOptions(Writable: true));
    }
}
