// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Files in memory on a file system that becomes full.</summary>
internal sealed class FullFiles
{
    private readonly List<FullFile> _files = [];

    public IImageFile New(string name)
    {
        _files.Add(new FullFile(new MemoryImageFile([], name)));
        return _files[^1];
    }

    /// <summary>There is no room any more. See <see cref="FullFile.Fill"/>.</summary>
    public void Fill(bool holes = false) => _files.ForEach(file => file.Fill(holes));

    /// <summary>There is room again.</summary>
    public void Free() => _files.ForEach(file => file.Free());

    /// <summary>Gives blocks to a part of one of the files, however full.</summary>
    public static void Keep(IImageFile file, ByteRange bytes) => ((FullFile)file).Keep(bytes);
}
