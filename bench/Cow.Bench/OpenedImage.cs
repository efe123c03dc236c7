// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Bench;

/// <summary>An image as the daemon opens one: with a cache of the default size.</summary>
internal sealed class OpenedImage : IDisposable
{
    private readonly DirectoryOpener _opener = new(new MetadataCache(), []);

    public OpenedImage(string path, bool writable)
    {
        OpenedFile file = _opener.OpenGiven(path, writable);
        Chain = ImageStack.Open(new ImageSource(file.File, file.Path, _opener), new ImageStackOptions(writable, "qcow2"));
    }

    public ImageChain Chain { get; }

    public void Dispose()
    {
        Chain.Dispose();
        _opener.Dispose();
    }
}
