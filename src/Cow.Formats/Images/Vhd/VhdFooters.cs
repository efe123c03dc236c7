// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vhd;

/// <summary>The footer of a file, and which of its two places has it.</summary>
/// <remarks>The place at the end is lost when the file grew and was not closed; then the copy at 0 counts. A guest cannot write the first sector of
/// a dynamic disk's file, nor the last one of a fixed disk's. So, of two good footers that disagree, the last one is taken where it is that of a
/// fixed disk which fills the file exactly (the guest of that disk wrote a VHD into it); all else is refused.</remarks>
/// <param name="Footer">The footer.</param>
/// <param name="End">Byte offset of the one at the end, or -1 where that is not good.</param>
/// <param name="CopyGood">Whether the copy at 0 is good; never for a fixed disk.</param>
internal sealed record VhdFooters(VhdFooter Footer, long End, bool CopyGood)
{
    private const int ShortBytes = VhdFooter.Bytes - 1;

    /// <summary>Where the footer was read.</summary>
    public long At => End >= 0 ? End : 0;

    /// <summary>Finds and validates the footer of a file.</summary>
    /// <exception cref="ImageFormatException">There is none, two that disagree, or one that no VHD can have.</exception>
    public static VhdFooters Find(IImageFile file)
    {
        long length = file.Length;
        Expect.NotEndless(file);
        if (length < ShortBytes)
        {
            throw new ImageFormatException(file.Name, 0, $"a file of at least {ShortBytes} bytes", $"{length}");
        }
        (VhdFooter? last, long end) = AtEnd(file, length);
        if (last is not { Type: VhdType.Fixed })
        {
            RefusePoison(file, length);
        }
        VhdFooter? copy = length < VhdFooter.Bytes ? null : Read(file, 0, VhdFooter.Bytes);
        VhdFooters found = Choose(file, last, end, copy);
        found.Footer.Validate(file.Name, found.At);
        return found;
    }

    /// <summary>Whether a footer's cookie stands at the end or at the start of a file.</summary>
    public static bool Probe(IImageFile file)
    {
        long length = file.Length;
        Span<byte> cookie = stackalloc byte[8];
        foreach (long at in (ReadOnlySpan<long>)[0, length - VhdFooter.Bytes, length - ShortBytes])
        {
            if (at >= 0 && at <= length - ShortBytes)
            {
                file.ReadAt(cookie, at);
                if (VhdFooter.HasCookie(cookie))
                {
                    return true;
                }
            }
        }
        return false;
    }

    private static VhdFooters Choose(IImageFile file, VhdFooter? last, long end, VhdFooter? copy)
    {
        if (copy is { Type: VhdType.Fixed })
        {
            // What a fixed disk has at 0 is its guest's.
            copy = null;
        }
        if (last is null)
        {
            return copy is not null
                ? new VhdFooters(copy, -1, CopyGood: true)
                : throw new ImageFormatException(file.Name, Math.Max(0, file.Length - VhdFooter.Bytes), "a footer with its cookie and checksum, here or at 0", "none");
        }
        if (last.Type == VhdType.Fixed && (copy is null || last.CurrentSize == (ulong)end))
        {
            return new VhdFooters(last, end, CopyGood: false);
        }
        return copy is null || copy.DescribesTheSameAs(last)
            ? new VhdFooters(last, end, copy is not null)
            : throw new ImageFormatException(file.Name, end, "the footer that the copy at 0 is of", "another one");
    }

    private static (VhdFooter? Footer, long At) AtEnd(IImageFile file, long length)
    {
        foreach (int bytes in (ReadOnlySpan<int>)[VhdFooter.Bytes, ShortBytes])
        {
            if (length >= bytes && Read(file, length - bytes, bytes) is { } footer)
            {
                return (footer, length - bytes);
            }
        }
        return (null, -1);
    }

    private static VhdFooter? Read(IImageFile file, long at, int count)
    {
        Span<byte> bytes = stackalloc byte[count];
        file.ReadAt(bytes, at);
        return VhdFooter.TryParse(bytes);
    }

    private static void RefusePoison(IImageFile file, long length)
    {
        Span<byte> cookie = stackalloc byte[8];
        foreach (long at in (ReadOnlySpan<long>)[0, Math.Max(0, length - VhdFooter.Bytes)])
        {
            file.ReadAt(cookie, at);
            if (cookie.SequenceEqual(VhdFooter.Poison))
            {
                throw new ImageFormatException(file.Name, at, "a whole VHD", "the mark of one whose journal must be played back first (vhd-util revert)");
            }
        }
    }
}
