// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Tables;

/// <summary>Names of files inside images.</summary>
internal static class Names
{
    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

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
