// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Real;
using Cow.Controller.Daemon;
using Cow.DmIoctl;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Images;

/// <summary>An image and the files that it names, opened by one verb: locked as QEMU locks images, and closed with it.</summary>
/// <remarks>Not thread-safe; several sessions may read one image at once.</remarks>
internal sealed class ImageSession : IDisposable
{
    /// <summary>Bytes of metadata that a session keeps: it reads each once, more or less.</summary>
    private const int CacheBytes = 8 << 20;

    private readonly DaemonPaths _paths;
    private readonly ImageSpec _spec;
    private readonly bool _locks;
    private readonly ImageLocks _held = new(static path => ResolvedFile.Open(path, write: false));
    private readonly List<IDisposable> _opened = [];

    /// <summary>Makes a session that has nothing open.</summary>
    /// <param name="paths">Where the state of live devices is.</param>
    /// <param name="spec">The image.</param>
    /// <param name="locks">Take locks; false where another session of this process holds them.</param>
    public ImageSession(DaemonPaths paths, ImageSpec spec, bool locks = true)
    {
        _paths = paths;
        _spec = spec;
        _locks = locks && !spec.ForceShare;
        foreach (string directory in spec.BackingDirectories.Where(static directory => !Directory.Exists(directory)))
        {
            throw new CliException(ExitCode.NotFound, directory, "there is no such directory", "check --backing-dir");
        }

        Opener = new DirectoryOpener(new MetadataCache(CacheBytes), spec.BackingDirectories, OpenFile, FileIdentity.Of);
        _opened.Add(Opener);
        if (spec.Base is { } lower)
        {
            Opener.Allow(lower);
        }
    }

    /// <summary>Opens the files that images name.</summary>
    public DirectoryOpener Opener { get; }

    /// <summary>The file of the image itself.</summary>
    /// <param name="writable">It will be written.</param>
    /// <exception cref="CliException">There is none, or it is in use.</exception>
    public ImageSource Source(bool writable = false)
    {
        if (!File.Exists(_spec.Path))
        {
            throw new CliException(ExitCode.NotFound, _spec.Path, "there is no such device or file", "check the path");
        }

        if (_locks && writable)
        {
            StoreUsers.RequireNone(_paths, _spec.Path);
        }
        else if (_locks)
        {
            StoreUsers.RequireNoWriter(_paths, _spec.Path);
        }

        try
        {
            OpenedFile file = Opener.OpenGiven(_spec.Path, writable);
            return new ImageSource(file.File, file.Path, Opener);
        }
        catch (IOException e) when (e.Message.Contains("neither a regular file nor a block device", StringComparison.Ordinal))
        {
            throw new CliException(ExitCode.BadStore, _spec.Path, "is empty, or neither a regular file nor a block device", "name a disk image");
        }
    }

    /// <summary>Opens the image with all that it is backed by, for reading.</summary>
    public ImageChain OpenChain()
    {
        ImageSource source = Source();
        IImageDriver driver = ImageFormats.DriverOf(source.File, _spec);
        ImageStackOptions options = new(Writable: false, driver.Name, _spec.BackingFormat) { Snapshot = _spec.Snapshot };
        return Keep(ImageFormats.Checked(_spec.Path, () => ImageStack.Open(source, options)));
    }

    /// <summary>Opens the image alone.</summary>
    /// <param name="driver">Its format.</param>
    /// <param name="source">Its file.</param>
    /// <param name="repair">It will be repaired; else it is read.</param>
    public IDiskImage OpenOne(IImageDriver driver, ImageSource source, bool repair = false) =>
        Keep(ImageFormats.Checked(_spec.Path, () => driver.Open(source, new ImageOpenOptions(repair, _spec.Snapshot) { ForRepair = repair })));

    /// <inheritdoc/>
    public void Dispose()
    {
        // Images before the files that they read.
        for (int i = _opened.Count - 1; i >= 0; i--)
        {
            _opened[i].Dispose();
        }

        _held.Dispose();
    }

    private T Keep<T>(T opened)
        where T : IDisposable
    {
        _opened.Add(opened);
        return opened;
    }

    private PlainFile OpenFile(string path, bool writable)
    {
        if (_locks)
        {
            Lock(path, writable);
        }

        return PlainFile.OpenResolved(path, writable);
    }

    private void Lock(string path, bool writable)
    {
        try
        {
            _held.Lock(path, writable);
        }
        catch (RefusedException e)
        {
            throw new CliException(e.Failure);
        }
    }
}
