// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>A file whose reads go through a <see cref="MetadataCache"/>, and whose writes go to the file and to what is cached of it.</summary>
/// <remarks>For metadata. Data that the kernel writes under us is read and written through <see cref="Uncached"/>. Not thread-safe; the cache is.
/// Closing it closes the file.</remarks>
public sealed class CachedFile : IImageFile
{
    private readonly MetadataCache _cache;
    private readonly int _id;

    /// <summary>Takes over the file.</summary>
    public CachedFile(IImageFile file, MetadataCache cache)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(cache);
        Uncached = file;
        _cache = cache;
        _id = cache.NewFile();
    }

    /// <summary>The file itself.</summary>
    public IImageFile Uncached { get; }

    /// <inheritdoc/>
    public string Name => Uncached.Name;

    /// <inheritdoc/>
    public long Length => Uncached.Length;

    /// <inheritdoc/>
    public bool CanGrow => Uncached.CanGrow;

    /// <inheritdoc/>
    public void ReadAt(Span<byte> buffer, long offset) => _cache.Read(_id, Uncached, buffer, offset);

    /// <inheritdoc/>
    public void WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        // Out of the cache first: when the write fails, nobody knows what is on the disk.
        _cache.Forget(_id, offset, data.Length);
        Uncached.WriteAt(data, offset);
    }

    /// <inheritdoc/>
    public void SetLength(long bytes)
    {
        _cache.Forget(_id, bytes, long.MaxValue - bytes);
        Uncached.SetLength(bytes);
    }

    /// <inheritdoc/>
    public void Flush() => Uncached.Flush();

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Forget(_id, 0, long.MaxValue);
        Uncached.Dispose();
    }
}
