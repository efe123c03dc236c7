// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>VHDX: fixed, dynamic and differencing images of Hyper-V.</summary>
public sealed class VhdxDriver : IImageDriver
{
    /// <summary>Name of the format.</summary>
    internal const string FormatName = "vhdx";

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public bool Probe(IImageFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        Span<byte> magic = stackalloc byte[8];
        if (file.Length < magic.Length)
        {
            return false;
        }
        file.ReadAt(magic, 0);
        return magic.SequenceEqual(VhdxFormat.FileMagic);
    }

    /// <inheritdoc/>
    public IDiskImage Open(ImageSource source, ImageOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Snapshot is not null)
        {
            throw new ArgumentException("a VHDX has no snapshots inside", nameof(options));
        }
        return new VhdxImage(source, VhdxParts.Read(source.File), options);
    }

    /// <inheritdoc/>
    public IDiskImage Create(ImageSource source, ImageCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        VhdxMaker.Make(source.File, options);
        return Open(source, new ImageOpenOptions(Writable: true));
    }
}
