// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>A directory of files for a test, and the opener of what its images name. Disposed after the images.</summary>
internal abstract class ImageFiles : IImageOpener, IDisposable
{
    /// <summary>Makes an empty file and gives it as the source of an image.</summary>
    public abstract ImageSource New(string name);

    /// <summary>A file as the source of an image that is written.</summary>
    public abstract ImageSource Source(string name, bool writable = true);

    /// <summary>Puts a file there that nobody has open.</summary>
    public abstract void Put(string name, byte[] bytes);

    public abstract OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable);

    public virtual OpenedFile CreateNamed(string name, string imagePath)
    {
        Put(name, []);
        return OpenNamed(name, imagePath, 0, writable: true);
    }

    public abstract void Dispose();
}

/// <summary>A directory in memory, /mem, in which images name each other by file name.</summary>
internal sealed class MemoryFiles : ImageFiles
{
    private const string Home = "/mem/";

    private readonly MetadataCache _cache = new(1 << 20);
    private readonly Dictionary<string, CachedFile> _files = [];

    /// <summary>Makes an empty directory.</summary>
    /// <param name="make">Makes an empty file of a name; null for <see cref="MemoryImageFile"/>.</param>
    public MemoryFiles(Func<string, IImageFile>? make = null)
    {
        Make = make ?? (name => new MemoryImageFile([], name));
    }

    private Func<string, IImageFile> Make { get; }

    /// <summary>The files by name.</summary>
    public IEnumerable<KeyValuePair<string, IImageFile>> All => _files.Select(f => KeyValuePair.Create(f.Key, f.Value.Uncached));

    /// <summary>A copy of what is in a file.</summary>
    public byte[] Bytes(string name)
    {
        IImageFile file = _files[name].Uncached;
        byte[] bytes = new byte[file.Length];
        file.ReadAt(bytes, 0);
        return bytes;
    }

    /// <summary>A file of its own with what is in a file of these.</summary>
    public MemoryImageFile Copy(string name) =>
        _files[name].Uncached is MemoryImageFile file ? file.Copy() : new MemoryImageFile(Bytes(name), name);

    /// <summary>The same files as somebody finds them who has nothing of them in a cache.</summary>
    public MemoryFiles Reopened()
    {
        MemoryFiles again = new(Make);
        foreach ((string name, IImageFile file) in All)
        {
            again.Add(name, file);
        }
        return again;
    }

    /// <summary>A copy of all files.</summary>
    public MemoryFiles Copied()
    {
        MemoryFiles copy = new();
        foreach (string name in _files.Keys)
        {
            copy.Add(name, Copy(name));
        }
        return copy;
    }

    /// <summary>Puts a file there.</summary>
    public MemoryFiles Add(string name, IImageFile file)
    {
        _files[name] = new CachedFile(file, _cache);
        return this;
    }

    public override void Put(string name, byte[] bytes) => Add(name, new MemoryImageFile(bytes, name));

    public override ImageSource New(string name)
    {
        Add(name, Make(name));
        return Source(name);
    }

    public override void Dispose()
    {
    }

    public override OpenedFile CreateNamed(string name, string imagePath)
    {
        Add(name, Make(name));
        return OpenNamed(name, imagePath, 0, writable: true);
    }

    public override ImageSource Source(string name, bool writable = true) => new(_files[name], Home + name, this);

    public override OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable)
    {
        string key = name.StartsWith(Home, StringComparison.Ordinal) ? name[Home.Length..] : name;
        return _files.TryGetValue(key, out CachedFile? file)
            ? new OpenedFile(file, Home + key)
            : throw new ImageFormatException(imagePath, nameOffset, "the name of a file in memory", name);
    }
}

/// <summary>A real directory, for QEMU to see. What is flushed reaches the kernel and no disk: these tests cut no power.</summary>
internal sealed class FolderFiles(string folder) : ImageFiles
{
    private readonly DirectoryOpener _opener = new(new MetadataCache(1 << 20), [], (path, writable) => new UnsyncedFile(path, writable));

    public override ImageSource New(string name)
    {
        File.WriteAllBytes(Path.Combine(folder, name), []);
        return Source(name);
    }

    public override ImageSource Source(string name, bool writable = true)
    {
        OpenedFile file = _opener.OpenGiven(Path.Combine(folder, name), writable);
        return new ImageSource(file.File, file.Path, this);
    }

    public override void Put(string name, byte[] bytes) => File.WriteAllBytes(Path.Combine(folder, name), bytes);

    public override OpenedFile OpenNamed(string name, string imagePath, long nameOffset, bool writable) =>
        _opener.OpenNamed(name, imagePath, nameOffset, writable);

    public override void Dispose() => _opener.Dispose();

    private sealed class UnsyncedFile(string path, bool writable) : IImageFile
    {
        private readonly ImageFile _file = new(
            File.OpenHandle(path, FileMode.Open, writable ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite), path, 512);

        public string Name => _file.Name;

        public long Length => _file.Length;

        public bool CanGrow => true;

        public void SetLength(long bytes) => _file.SetLength(bytes);

        public void ReadAt(Span<byte> buffer, long offset) => _file.ReadAt(buffer, offset);

        public void WriteAt(ReadOnlySpan<byte> data, long offset) => _file.WriteAt(data, offset);

        public void Flush()
        {
        }

        public void Dispose() => _file.Dispose();
    }
}
