// SPDX-License-Identifier: MIT
namespace Cow.Formats.Io;

/// <summary>A page of a cache as its file found it. Reads without the lock, and knows when the page is another one meanwhile.</summary>
/// <remarks>Only the file's own thread changes the bytes of its page. Another one may take the array away, and says so in
/// <see cref="CachedPage.Version"/> before it writes to it: so what was copied is right if the version is the same behind the copy.</remarks>
internal readonly struct PageView
{
    private readonly CachedPage? _page;
    private readonly byte[]? _bytes;
    private readonly int _valid;
    private readonly int _version;

    /// <summary>Looks at a page; under the cache's lock.</summary>
    public PageView(CachedPage page)
    {
        (_page, _bytes, _valid, _version) = (page, page.Bytes, page.Valid, page.Version);
    }

    /// <summary>Copies bytes of the page.</summary>
    /// <returns>False where it is another page by now, or these bytes were not valid when it was found: ask the cache.</returns>
    public bool TryRead(int within, Span<byte> buffer)
    {
        if (_page is null || within + buffer.Length > _valid || _page.Version != _version)
        {
            return false;
        }
        _bytes.AsSpan(within, buffer.Length).CopyTo(buffer);
        Volatile.ReadBarrier();
        if (_page.Version != _version)
        {
            return false;
        }
        if (!_page.Used)
        {
            _page.Used = true;
        }
        return true;
    }
}
