// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using static System.Buffers.Binary.BinaryPrimitives;

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
        if (within + buffer.Length > _valid)
        {
            return false;
        }
        _bytes.AsSpan(within, buffer.Length).CopyTo(buffer);
        return WasRight();
    }

    /// <summary>Reads a big-endian word of the page: most of what is read of metadata, and a copy through a span takes longer than all the rest.</summary>
    /// <returns>As <see cref="TryRead"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryReadWord(int within, out ulong word)
    {
        if (within + sizeof(ulong) > _valid)
        {
            word = 0;
            return false;
        }
        word = ReadUInt64BigEndian(_bytes.AsSpan(within));
        return WasRight();
    }

    /// <summary>Whether what was read just now was the page, which was used thereby.</summary>
    private bool WasRight()
    {
        Volatile.ReadBarrier();
        CachedPage page = _page!;
        if (page.Version != _version)
        {
            return false;
        }
        if (!page.Used)
        {
            page.Used = true;
        }
        return true;
    }
}
