// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.Controller.Cli.Images;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Convert;

/// <summary>Makes the files that a new image consists of besides its own, and opens none that is there: it may be what somebody needs, or what is read.
/// What it made is deleted again unless it is kept. Not thread-safe.</summary>
internal sealed class DestinationOpener(MetadataCache cache) : IImageOpener, IDisposable
{
    private readonly List<PlainFile> _made = [];
    private bool _kept;

    public OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable)
    {
        string path = Path.GetFullPath(name, Path.GetDirectoryName(imagePath)!);
        throw Path.Exists(path)
            ? Present(path)
            : new CliException(ExitCode.Usage, path, "is not beside the new image, where its files are made", "give a name without a directory");
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "What was made is closed here, the file below the cached one.")]
    public OpenedFile CreateNamed(string name, string imagePath)
    {
        string path = Path.Combine(Path.GetDirectoryName(imagePath)!, Path.GetFileName(name));
        if (Path.Exists(path))
        {
            throw Present(path);
        }

        PlainFile file = PlainFile.CreateNew(path, path);
        _made.Add(file);
        return new OpenedFile(new CachedFile(file, cache), path);
    }

    /// <summary>Makes what was made durable.</summary>
    public void Flush() => _made.ForEach(static file => file.FlushNow());

    /// <summary>Keeps it, once the image that needs it has its name.</summary>
    public void Keep() => _kept = true;

    public void Dispose()
    {
        foreach (PlainFile file in _made)
        {
            file.Dispose();
            if (!_kept)
            {
                File.Delete(file.Name);
            }
        }
    }

    private static CliException Present(string path) =>
        new(ExitCode.InUse, path, "is there already, and the new image would write it", "remove it, or take another name");
}
