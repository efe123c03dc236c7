// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;

namespace Cow.Formats.Images;

/// <summary>
/// Opens files that images name, where they lie: beside the image that names them, or anywhere below a directory that the caller allows. A name with
/// a colon before its first slash is a pseudo-protocol of some program and is never opened.
/// </summary>
/// <remarks>What counts is where the file really is, links resolved; a name that leads elsewhere as it is written is refused without a look, and nobody is
/// told whether anything is there. A device is opened only below an allowed directory: beside one lie all the disks of the host. Two names of one file
/// give one <see cref="OpenedFile"/>, and one that is written has no second user. Not thread-safe. Owns what it opened: disposed after the images that
/// read from it.</remarks>
public sealed class DirectoryOpener : IImageOpener, IDisposable
{
    /// <summary>ENFILE and EMFILE of errno(3): no fault of the image.</summary>
    private const int TooManyInSystem = 23;
    private const int TooManyInProcess = 24;

    private readonly MetadataCache _cache;
    private readonly RealPath _real = new();
    private readonly string[] _allowed;
    private readonly Func<string, bool, IImageFile>? _open;
    private readonly Func<string, string>? _identity;
    private readonly HashSet<string> _allowedFiles = [];
    private readonly Dictionary<string, Entry> _files = [];

    // By the identity of a file: the name of it that was met first.
    private readonly Dictionary<string, string> _names = [];

    // By the real path of an image: its directory as it was written, which names in it may begin with.
    private readonly Dictionary<string, string> _spelled = [];

    // The directory of the image that was asked for last, and where it really is: an image can name thousands of files.
    private (string Path, string Real) _home = ("", "");

    /// <summary>Makes an opener that has nothing open.</summary>
    /// <param name="cache">Holds what is read of the files.</param>
    /// <param name="allowedDirectories">Where named files may lie besides the image's own directory.</param>
    /// <param name="open">Opens a path without links, for writing too where the flag is set. It refuses, with <see cref="IOException"/>, what is neither a
    /// regular file nor a block device, and a path that has links after all: somebody may have put one there since it was resolved. A device must not say
    /// <see cref="IImageFile.CanGrow"/>. Null for <see cref="OpenRegularFile"/>.</param>
    /// <param name="identity">Gives the same for two such paths where they are of one file, by hard links. Null where only equal paths are.</param>
    /// <exception cref="IOException">There is no such directory.</exception>
    public DirectoryOpener(
        MetadataCache cache, IEnumerable<string> allowedDirectories, Func<string, bool, IImageFile>? open = null, Func<string, string>? identity = null)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(allowedDirectories);
        _cache = cache;
        // As they are written, too: names in images are judged so first.
        _allowed = [.. allowedDirectories.Select(Path.GetFullPath).SelectMany(directory => new[] { _real.Of(directory), directory.TrimEnd('/') })];
        (_open, _identity) = (open, identity);
    }

    /// <summary>Opens a regular file through the page cache.</summary>
    /// <param name="path">Its full path, links resolved.</param>
    /// <param name="writable">Whether it is to be written.</param>
    /// <exception cref="IOException">It is empty or no regular file: both have no length, and a pipe would block. Or the path leads elsewhere.</exception>
    public static IImageFile OpenRegularFile(string path, bool writable)
    {
        if (new FileInfo(path).Length == 0)
        {
            throw new IOException($"{path} is empty, or no regular file");
        }
        return OpenAnyFile(path, writable);
    }

    /// <summary>Allows names of a file that the user named too, wherever it lies; a device as well.</summary>
    /// <param name="path">Its path; relative to the working directory.</param>
    public void Allow(string path)
    {
        string full = Path.GetFullPath(path);
        _allowedFiles.Add(full);
        _allowedFiles.Add(_real.Find("/", full) ?? full);
    }

    /// <summary>Opens a file that the user named: it may lie anywhere.</summary>
    /// <param name="path">Its path; relative to the working directory.</param>
    /// <param name="writable">Whether it is to be written.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public OpenedFile OpenGiven(string path, bool writable)
    {
        string full = Path.GetFullPath(path);
        string real = FirstName(_real.Of(full));
        return Spelled(full, Find(real, writable) ?? Open(real, writable, _open ?? OpenRegularFile));
    }

    /// <summary>An image was closed, and is to be opened once more with the files that are open: what it names has no user any more.</summary>
    /// <param name="imagePath">Its full path, links resolved: the image itself stays in use.</param>
    public void Release(string imagePath)
    {
        foreach (string path in _files.Keys.Where(path => path != imagePath).ToArray())
        {
            _files[path] = _files[path] with { InUse = false };
        }
    }

    /// <inheritdoc/>
    public OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable)
    {
        ArgumentNullException.ThrowIfNull(name);
        Surroundings image = SurroundingsOf(imagePath);
        ImageFormatException Refuse(string found) => new(
            imagePath, nameOffset, $"the name of a file in {image.Place}a directory given with --backing-dir", $"'{Printable.Start(name, 120)}', {found}")
        {
            Advice = "if you trust the image, allow the directory of that file with --backing-dir; protocols are never opened",
        };

        if (WrongWith(name, image) is { } wrong)
        {
            throw Refuse(wrong);
        }
        string written = Path.GetFullPath(name, image.Home);
        string? real = _real.Find(image.Real, name);
        if (real is null || !MayOpen(real, written, image))
        {
            throw Refuse("which is not there, or a link that leads elsewhere");
        }
        OpenedFile file;
        try
        {
            real = FirstName(real);
            file = Find(real, writable) ?? Open(real, writable, _open ?? OpenRegularFile);
        }
        catch (Exception e) when (e is IOException { HResult: not (TooManyInSystem or TooManyInProcess) } or UnauthorizedAccessException)
        {
            throw Refuse($"which cannot be opened: {e.Message}");
        }
        return file.File.CanGrow || IsGiven(real, written) ? Spelled(written, file) : throw Refuse("which is a device");
    }

    /// <inheritdoc/>
    public OpenedFile CreateNamed(string name, string imagePath)
    {
        string home = _real.Of(Path.GetDirectoryName(Path.GetFullPath(imagePath)) ?? "/");
        string path = Path.Combine(home, Path.GetFileName(name));
        File.Open(path, FileMode.CreateNew).Dispose();
        // Not through OpenRegularFile: an empty file is none to that, but this one is.
        return Open(path, writable: true, _open ?? OpenAnyFile);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Entry entry in _files.Values)
        {
            entry.File.Dispose();
        }
        _files.Clear();
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The image file takes the handle over.")]
    private static ImageFile OpenAnyFile(string path, bool writable)
    {
        // ReadWrite: other programs are kept out by QEMU's locks, not by this flock, which none of them takes.
        FileAccess access = writable ? FileAccess.ReadWrite : FileAccess.Read;
        SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, access, FileShare.ReadWrite);
        if (new FileInfo($"/proc/self/fd/{handle.DangerousGetHandle()}").LinkTarget == path)
        {
            return new ImageFile(handle, path, alignment: 512);
        }
        handle.Dispose();
        throw new IOException($"{path} became another file while it was opened");
    }

    private static bool IsProtocol(string name)
    {
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        int slash = name.IndexOf('/', StringComparison.Ordinal);
        return colon >= 0 && (slash < 0 || colon < slash);
    }

    /// <summary>What the name itself says against it; null for nothing.</summary>
    private string? WrongWith(string name, Surroundings image)
    {
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal))
        {
            return "which is no name";
        }
        if (IsProtocol(name))
        {
            return "which is a protocol and no file";
        }
        string written = Path.GetFullPath(name, image.Home);
        return image.IsSaidToHold(written) || IsAllowed(written) ? null : "which lies elsewhere";
    }

    private Surroundings SurroundingsOf(string imagePath)
    {
        string full = Path.GetFullPath(imagePath);
        string home = Path.GetDirectoryName(full) ?? "/";
        bool device = _files.TryGetValue(full, out Entry image) && !image.File.CanGrow;
        _home = _home.Path == home ? _home : (home, _real.Find("/", home) ?? home);
        return new Surroundings(home, _home.Real, _spelled.GetValueOrDefault(full, home), device);
    }

    /// <summary>Remembers how the directory of a file was written.</summary>
    private OpenedFile Spelled(string written, OpenedFile file)
    {
        _spelled[file.Path] = Path.GetDirectoryName(written) ?? "/";
        return file;
    }

    private bool MayOpen(string real, string written, Surroundings image) => image.Holds(real) || IsGiven(real, written);

    /// <summary>Below a directory that was given. A link there to a device counts as the device; not so what lies beside that, which a name can lead to by
    /// going up behind the link.</summary>
    private bool IsGiven(string real, string written) =>
        IsAllowed(real) || (IsAllowed(written) && IsNode(written) && IsNode(real) && _real.Find("/", written) == real);

    private bool IsAllowed(string path) => _allowedFiles.Contains(path)
        || Array.Exists(_allowed, directory => path.StartsWith(directory == "/" ? "/" : directory + "/", StringComparison.Ordinal));

    /// <summary>Links there are the system's, and lead to a device from the name that it is known by, such as that of a logical volume.</summary>
    private static bool IsNode(string path) =>
        path.StartsWith("/dev/", StringComparison.Ordinal) && !path.StartsWith("/dev/shm/", StringComparison.Ordinal);

    private string FirstName(string real)
    {
        string identity = _identity?.Invoke(real) ?? real;
        if (_names.TryGetValue(identity, out string? first))
        {
            return first;
        }
        _names.Add(identity, real);
        return real;
    }

    private OpenedFile? Find(string real, bool writable)
    {
        if (!_files.TryGetValue(real, out Entry entry))
        {
            return null;
        }
        if (entry.InUse ? writable || entry.Writable : writable && !entry.Writable)
        {
            throw new IOException($"{real} is in use already, by the image or one that it is backed by");
        }
        _files[real] = entry with { InUse = true };
        return new OpenedFile(entry.File, real);
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The table of open files owns it.")]
    private OpenedFile Open(string real, bool writable, Func<string, bool, IImageFile> open)
    {
        CachedFile file = new(open(real, writable), _cache);
        _files.Add(real, new Entry(file, writable, InUse: true));
        return new OpenedFile(file, real);
    }

    private readonly record struct Entry(CachedFile File, bool Writable, bool InUse);

    /// <summary>The directory of an image: as the image's path has it, links resolved, and as somebody wrote it.</summary>
    private readonly record struct Surroundings(string Home, string Real, string Spelled, bool IsDevice)
    {
        /// <summary>For messages.</summary>
        public string Place => IsDevice ? "" : $"{Home} or in ";

        /// <summary>Only what lies directly in it: what is below may belong to somebody else.</summary>
        public bool Holds(string real) => !IsDevice && Path.GetDirectoryName(real) == Real;

        /// <summary>Whether that can be, by the name as it is written. Where a link to the image lies is not where the image lies.</summary>
        public bool IsSaidToHold(string written) => !IsDevice && Path.GetDirectoryName(written) is { } directory && (directory == Real || directory == Home || directory == Spelled);
    }
}
