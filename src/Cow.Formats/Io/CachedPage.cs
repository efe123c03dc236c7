// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>Room for a page in a <see cref="MetadataCache"/>. Guarded by the cache's lock, but for what <see cref="PageView"/> reads.</summary>
internal sealed class CachedPage
{
    private int _version;

    /// <summary>The bytes. The array goes from hand to hand: see <see cref="MetadataCache.Add"/>.</summary>
    public byte[] Bytes { get; set; } = new byte[MetadataCache.PageBytes];

    /// <summary>Number of the file and of the page in it.</summary>
    public (int File, long Page) Key { get; set; }

    /// <summary>Bytes of the page that the file has.</summary>
    public int Valid { get; set; }

    /// <summary>Used since the hand came by last. A hint: set without the lock too.</summary>
    public bool Used { get; set; }

    /// <summary>Which page it is: another number as soon as it is another one.</summary>
    public int Version => Volatile.Read(ref _version);

    /// <summary>Says that it is another page from now on, before anything of it changes.</summary>
    public void Invalidate()
    {
        Interlocked.Increment(ref _version);
        Key = default;
        Valid = 0;
    }
}
