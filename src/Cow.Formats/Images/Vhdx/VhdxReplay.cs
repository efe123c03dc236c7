// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhdx;

/// <summary>What a log says that the file must become: pages of 4096 bytes, and a length.</summary>
/// <param name="fileLength">Bytes of the file afterwards, at least.</param>
internal sealed class VhdxReplay(long fileLength)
{
    /// <summary>Pages that are set at most: a log that zeroes more than a gigabyte is no log of metadata.</summary>
    private const int MostPages = 1 << 18;

    private int _set;

    // Null stands for zeros.
    private readonly SortedDictionary<long, byte[]?> _pages = [];

    /// <summary>Bytes of the file afterwards, at least.</summary>
    public long FileLength { get; } = fileLength;

    /// <summary>Byte offsets of the pages.</summary>
    public IEnumerable<long> Pages => _pages.Keys;

    /// <summary>Sets a page; null for zeros.</summary>
    /// <returns>False where there are too many.</returns>
    public bool TrySet(long offset, byte[]? page)
    {
        _pages[offset] = page;
        return ++_set <= MostPages;
    }

    /// <summary>Writes the pages over what was read from the file.</summary>
    public void Patch(Span<byte> buffer, long offset)
    {
        long end = offset + buffer.Length;
        for (long page = offset & -VhdxFormat.Page; page < end; page += VhdxFormat.Page)
        {
            if (_pages.TryGetValue(page, out byte[]? bytes))
            {
                long from = Math.Max(page, offset);
                Span<byte> part = buffer.Slice((int)(from - offset), (int)(Math.Min(page + VhdxFormat.Page, end) - from));
                if (bytes is null)
                {
                    part.Clear();
                }
                else
                {
                    bytes.AsSpan((int)(from - page), part.Length).CopyTo(part);
                }
            }
        }
    }

    /// <summary>Writes it all into the file, durably. To do it again does no harm.</summary>
    /// <exception cref="ImageFormatException">The file would have to grow and is a device.</exception>
    public void Apply(CachedFile file)
    {
        if (file.Length < FileLength)
        {
            if (!file.CanGrow)
            {
                throw new ImageFormatException(file.Name, 0, $"a device of at least {FileLength} bytes, as the log says", $"{file.Length}");
            }
            file.SetLength(FileLength);
        }
        byte[] zeros = new byte[VhdxFormat.Page];
        foreach ((long offset, byte[]? page) in _pages)
        {
            file.WriteAt(page ?? zeros, offset);
        }
        file.Flush();
    }
}
