// SPDX-License-Identifier: MIT
using Cow.Formats;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Stores;

/// <summary>All files of a store and its layers, open for reading; a format closes none of them.</summary>
internal sealed class OpenFiles(IStoreFiles files) : IDisposable
{
    private readonly List<IImageFile> _opened = [];

    public FormatFiles Open(CheckSpec spec) => new(
        One(spec.Cow),
        spec.BitmapDevice is null ? null : One(spec.BitmapDevice),
        [.. spec.Layers.Select(Layer)]);

    public void Dispose() => _opened.ForEach(static file => file.Dispose());

    private LayerFiles Layer(string text)
    {
        int comma = text.LastIndexOf(',');
        return comma < 0 || files.Exists(text)
            ? new LayerFiles(One(text), null)
            : new LayerFiles(One(text[..comma]), One(text[(comma + 1)..]));
    }

    private IImageFile One(string path)
    {
        IImageFile file = files.OpenForReading(path);
        _opened.Add(file);
        return file;
    }
}
