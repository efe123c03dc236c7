// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>Holds what an image says against what its format demands.</summary>
internal static class Expect
{
    /// <summary>Throws unless it is so.</summary>
    /// <param name="holds">Whether it is so.</param>
    /// <param name="file">The image.</param>
    /// <param name="offset">Byte offset of the field.</param>
    /// <param name="expected">What the format demands there.</param>
    /// <param name="found">The field.</param>
    /// <exception cref="ImageFormatException">It is not so.</exception>
    public static void That(bool holds, IImageFile file, long offset, string expected, ulong found)
    {
        if (!holds)
        {
            throw Error(file, offset, expected, found);
        }
    }

    /// <summary>As above, with words for what is there.</summary>
    public static void That(bool holds, IImageFile file, long offset, string expected, string found)
    {
        if (!holds)
        {
            throw new ImageFormatException(file.Name, offset, expected, found);
        }
    }

    /// <summary>Throws where a file is so long that places near its end cannot be added up or rounded up to a unit. No image is.</summary>
    /// <exception cref="ImageFormatException">It is.</exception>
    public static void NotEndless(IImageFile file)
    {
        const long Most = 1L << 62;
        That(file.Length <= Most, file, 0, $"a file of {Most} bytes at most", (ulong)file.Length);
    }

    /// <summary>The exception for a field with a number in it.</summary>
    public static ImageFormatException Error(IImageFile file, long offset, string expected, ulong found) =>
        new(file.Name, offset, expected, $"{found} (0x{found:x})");

    /// <summary>Whether a range lies inside a file, whatever overflows.</summary>
    public static bool Inside(ulong offset, ulong length, long fileLength) =>
        length <= (ulong)fileLength && offset <= (ulong)fileLength - length;
}
