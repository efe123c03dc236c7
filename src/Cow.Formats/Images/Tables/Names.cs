// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>Names of files inside images.</summary>
internal static class Names
{
    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Bytes of a path at most, in Linux: no longer one leads anywhere, and one of megabytes takes seconds to be followed.</summary>
    private const int MostBytes = 4096;

    /// <summary>Refuses a name that is longer than any path.</summary>
    /// <exception cref="ImageFormatException">It is.</exception>
    public static void RequireShort(long bytes, IImageFile file, long offset) =>
        Expect.That(bytes <= MostBytes, file, offset, $"a name of {MostBytes} bytes at most", (ulong)bytes);

    /// <summary>Decodes a name.</summary>
    /// <exception cref="ImageFormatException">It is not UTF-8, or has a control character in it.</exception>
    public static string Decode(ReadOnlySpan<byte> name, IImageFile file, long offset)
    {
        try
        {
            string text = _strict.GetString(name);
            Expect.That(!text.Any(char.IsControl), file, offset, "a name without control characters", "one with some");
            return text;
        }
        catch (DecoderFallbackException)
        {
            throw new ImageFormatException(file.Name, offset, "a name in UTF-8", "other bytes");
        }
    }
}
