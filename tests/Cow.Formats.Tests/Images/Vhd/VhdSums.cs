// SPDX-License-Identifier: MIT
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>Makes the checksums of a spoilt VHD right again. Written from the specification, not from the code under test.</summary>
internal static class VhdSums
{
    private const int FooterBytes = 512;
    private const int HeaderBytes = 1024;

    /// <summary>Footer at the end, its copy at 0, and the dynamic header at 512.</summary>
    public static byte[] Fix(byte[] image)
    {
        if (image.Length >= FooterBytes + HeaderBytes)
        {
            Fix(image.AsSpan(0, FooterBytes), 64);
            Fix(image.AsSpan(FooterBytes, HeaderBytes), 36);
            Fix(image.AsSpan(image.Length - FooterBytes), 64);
        }
        return image;
    }

    private static void Fix(Span<byte> bytes, int field)
    {
        if (bytes.StartsWith("conectix"u8) || bytes.StartsWith("cxsparse"u8))
        {
            bytes.Slice(field, 4).Clear();
            uint sum = 0;
            foreach (byte b in bytes)
            {
                sum += b;
            }
            WriteUInt32BigEndian(bytes[field..], ~sum);
        }
    }
}
