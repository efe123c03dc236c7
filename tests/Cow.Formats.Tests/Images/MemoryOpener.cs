// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>A directory in memory, /mem, in which images name each other by file name.</summary>
internal sealed class MemoryOpener(MetadataCache? cache = null) : IImageOpener
{
    private const string Home = "/mem/";

    private readonly MetadataCache _cache = cache ?? new MetadataCache();
    private readonly Dictionary<string, CachedFile> _files = [];

    /// <summary>Puts a file there; a former one of that name is forgotten.</summary>
    public void Add(string name, IImageFile file) => _files[name] = new CachedFile(file, _cache);

    /// <summary>Puts an empty file there, and gives it as the source of an image.</summary>
    public ImageSource New(string name)
    {
        Add(name, new MemoryImageFile([], name));
        return Source(name);
    }

    /// <summary>A file as the source of an image.</summary>
    public ImageSource Source(string name) => new(_files[name], Home + name, this);

    public OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable)
    {
        string key = name.StartsWith(Home, StringComparison.Ordinal) ? name[Home.Length..] : name;
        return _files.TryGetValue(key, out CachedFile? file)
            ? new OpenedFile(file, Home + key)
            : throw new ImageFormatException(imagePath, nameOffset, "the name of a file in memory", name);
    }
}
