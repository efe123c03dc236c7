// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>What a log says that the file must become: pages of 4096 bytes, and a length.</summary>
/// <param name="fileLength">Bytes of the file afterwards, at least.</param>
internal sealed class VhdxReplay(long fileLength)
{
    /// <summary>Pages that are set at most: a log that zeroes more than a gigabyte is no log of metadata.</summary>
    private const ulong MostPages = 1 << 18;

    /// <summary>Added to the number of a page of zeros, it is the page's value.</summary>
    private const ulong Zeros = 1UL << 63;

    private static readonly byte[] ZeroPage = new byte[VhdxFormat.Page];

    private ulong _set;

    // By number of the page: where its bytes are in the list, or that it is zeros.
    private readonly RunMap _pages = new();
    private readonly List<byte[]> _bytes = [];

    /// <summary>Bytes of the file afterwards, at least.</summary>
    public long FileLength { get; } = fileLength;

    /// <summary>Sets a page.</summary>
    /// <returns>False where there are too many.</returns>
    public bool TrySet(ulong offset, byte[] page)
    {
        _bytes.Add(page);
        return TrySet(offset / VhdxFormat.Page, (ulong)_bytes.Count - 1, 1);
    }

    /// <summary>Makes pages zeros.</summary>
    /// <param name="offset">Byte offset of the first.</param>
    /// <param name="length">Bytes of all.</param>
    /// <returns>False where there are too many.</returns>
    public bool TryZero(ulong offset, ulong length) => TrySet(offset / VhdxFormat.Page, Zeros + (offset / VhdxFormat.Page), length / VhdxFormat.Page);

    /// <summary>Byte offset of the first page that is set and not in a set of places, or -1.</summary>
    public long FirstOutside(RangeSet places)
    {
        for (ulong from = 0; _pages.TryAtOrAfter(from, out MapRun run); from = run.End)
        {
            long hole = places.Hole(OffsetOf(run.Key), OffsetOf(run.End), out long length);
            if (length > 0)
            {
                return hole;
            }
        }
        return -1;
    }

    /// <summary>How far from a byte offset on all pages are zeros, if the first one is; else where the first page is that is set.</summary>
    /// <param name="offset">The byte offset.</param>
    /// <param name="zeroed">Whether it is in a page of zeros.</param>
    public long NextChange(long offset, out bool zeroed)
    {
        zeroed = false;
        if (!_pages.TryAtOrAfter((ulong)offset / VhdxFormat.Page, out MapRun run))
        {
            return long.MaxValue;
        }
        zeroed = run.Value >= Zeros && OffsetOf(run.Key) <= offset;
        return zeroed ? OffsetOf(run.End) : Math.Max(offset, OffsetOf(run.Key));
    }

    /// <summary>Writes the pages over what was read from the file.</summary>
    public void Patch(Span<byte> buffer, long offset)
    {
        long end = offset + buffer.Length;
        for (long page = offset & -VhdxFormat.Page; page < end; page += VhdxFormat.Page)
        {
            ulong number = (ulong)page / VhdxFormat.Page;
            if (_pages.TryAt(number, out MapRun run))
            {
                long from = Math.Max(page, offset);
                Span<byte> part = buffer.Slice((int)(from - offset), (int)(Math.Min(page + VhdxFormat.Page, end) - from));
                BytesOf(run, number).AsSpan((int)(from - page), part.Length).CopyTo(part);
            }
        }
    }

    /// <summary>Writes it all into the file, durably. To do it again does no harm.</summary>
    /// <exception cref="ImageFormatException">The file would have to grow and is a device.</exception>
    public void Apply(CachedFile file)
    {
        // What a writer left that was killed may be called a hole until it is on the disk.
        file.Flush();
        List<ulong> changes = PagesToWrite(file);
        if (file.Length < FileLength)
        {
            if (!file.CanGrow)
            {
                throw new ImageFormatException(file.Name, 0, $"a device of at least {FileLength} bytes, as the log says", $"{file.Length}");
            }
            file.SetLength(FileLength);
        }
        foreach (ulong page in changes)
        {
            _pages.TryAt(page, out MapRun run);
            file.WriteAt(BytesOf(run, page), OffsetOf(page));
        }
        file.Flush();
    }

    private static long OffsetOf(ulong page) => (long)page * VhdxFormat.Page;

    private bool TrySet(ulong first, ulong value, ulong count)
    {
        _set += count;
        if (_set > MostPages)
        {
            return false;
        }
        ChunkRun replaced = new(first, count);
        while (_pages.TryTakeOut(ref replaced, out _))
        {
            // What was logged later counts.
        }
        _pages.Add(first, value, count);
        return true;
    }

    private byte[] BytesOf(MapRun run, ulong page) => run.Value >= Zeros ? ZeroPage : _bytes[(int)run.ValueOf(page)];

    /// <summary>All pages but those of zeros where the file is a hole.</summary>
    private List<ulong> PagesToWrite(CachedFile file)
    {
        List<ulong> pages = [];
        foreach (ulong page in _pages.Keys())
        {
            _pages.TryAt(page, out MapRun run);
            bool there = run.Value >= Zeros && (OffsetOf(page) >= file.Length || file.IsHole(OffsetOf(page), VhdxFormat.Page));
            if (!there)
            {
                pages.Add(page);
            }
        }
        return pages;
    }
}
