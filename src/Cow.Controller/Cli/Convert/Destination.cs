// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Real;
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Convert;

/// <summary>
/// The file that a conversion writes. It has another name beside the wanted one until it is complete and durable: so whatever happens, a loss of power
/// too, the wanted name stands for all of the new image or for what was there before. A device is written in place.
/// </summary>
internal sealed class Destination : IDisposable
{
    private readonly ImageLocks _locks = new();
    private readonly string? _temporary;
    private readonly FileRights? _replaced;
    private bool _published;

    /// <summary>Opens it.</summary>
    /// <param name="paths">Where the state of live devices is.</param>
    /// <param name="path">Full path.</param>
    /// <param name="force">Also over what is there.</param>
    /// <exception cref="CliException">There is something, or it is in use.</exception>
    public Destination(DaemonPaths paths, string path, bool force)
    {
        Path = RealPath(path);
        bool present = System.IO.File.Exists(Path);
        try
        {
            RefuseUnfit(path, present, force);
            if (present)
            {
                StoreUsers.RequireNone(paths, Path);
                _locks.LockStore(Path);
            }

            if (BlockDevice.IsBlockDevice(Path))
            {
                File = PlainFile.Open(Path, writable: true, holdsFlushes: true);
                return;
            }

            _temporary = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, $".cowctl-{Guid.NewGuid():N}");
            // Who may not open what is replaced may not open what replaces it, also not while that is written.
            _replaced = present ? FileRights.Of(Path) : null;
            File = PlainFile.CreateNew(_temporary, Path, ownerOnly: present);
        }
        catch (RefusedException e)
        {
            _locks.Dispose();
            throw new CliException(e.Failure);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Its full path, links resolved.</summary>
    public string Path { get; }

    /// <summary>It is written in place: who fails leaves it half written.</summary>
    public bool IsDevice => _temporary is null;

    /// <summary>The file; what is written is not durable before <see cref="Publish"/>.</summary>
    public PlainFile File { get; }

    /// <summary>Where a path leads to; of a link to nothing, what it names.</summary>
    private static string RealPath(string path) =>
        System.IO.File.Exists(path) ? System.IO.File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;

    /// <summary>Makes all that was written durable and gives it its name. What came there since the look at the start is not replaced.</summary>
    /// <exception cref="CliException">Something came there.</exception>
    public void Publish()
    {
        if (_replaced is { } rights)
        {
            File.Give(rights);
        }

        File.FlushNow();
        if (_temporary is null)
        {
            return;
        }

        if (_replaced is not null)
        {
            System.IO.File.Move(_temporary, Path, overwrite: true);
        }
        else if (!FileName.TryMove(_temporary, Path))
        {
            throw new CliException(ExitCode.InUse, Path, "was made by somebody during the conversion", "take another name, or --force to overwrite it");
        }

        _published = true;
    }

    /// <summary>After <see cref="Publish"/>: makes the name durable.</summary>
    public void FlushName()
    {
        if (_temporary is not null)
        {
            FileSync.FlushDirectory(System.IO.Path.GetDirectoryName(Path)!);
        }
    }

    public void Dispose()
    {
        File?.Dispose();
        if (_temporary is not null && !_published)
        {
            System.IO.File.Delete(_temporary);
        }

        _locks.Dispose();
    }

    private static void RefuseUnfit(string path, bool present, bool force)
    {
        if (Directory.Exists(path))
        {
            throw new CliException(ExitCode.Usage, path, "is a directory", "name the file in it that is to be made");
        }

        if (!Directory.Exists(System.IO.Path.GetDirectoryName(path)))
        {
            throw new CliException(ExitCode.NotFound, path, "there is no such directory", "make it first");
        }

        // Before it is locked: opening a pipe waits for somebody.
        if (present && !BlockDevice.IsFileOrBlockDevice(path))
        {
            throw new CliException(ExitCode.Usage, path, "is neither a regular file nor a block device", "name another destination");
        }

        if (present && !force)
        {
            throw new CliException(ExitCode.InUse, path, "is there already", "take another name, or --force to overwrite it");
        }
    }
}
