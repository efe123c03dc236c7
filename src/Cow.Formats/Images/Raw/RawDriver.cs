// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Raw;

/// <summary>Files and devices whose bytes are the disk's: what images are backed by. Never probed, since a guest may write any magic into its disk;
/// never written, since nothing needs to be placed there.</summary>
public sealed class RawDriver : IImageDriver
{
    /// <inheritdoc/>
    public string Name => "raw";

    /// <inheritdoc/>
    public bool Probe(IImageFile file) => false;

    /// <inheritdoc/>
    public IDiskImage Open(ImageSource source, ImageOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Writable || options.Snapshot is not null)
        {
            throw new ArgumentException("a raw image can only be what others are backed by: it is not written and has no snapshots", nameof(options));
        }
        return new RawImage(source.File, source.Path);
    }

    /// <inheritdoc/>
    public IDiskImage Create(ImageSource source, ImageCreateOptions options) =>
        throw new ArgumentException("a raw image needs no making: any file or device is one", nameof(options));
}
