// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>Makes the checksums of a spoilt VHD right again. Written from the specification, not from the code under test.</summary>
internal static class VhdSums
{
    private const int FooterBytes = 512;
    private const int HeaderBytes = 1024;

    /// <summary>Footer at the end, its copy at 0, and the dynamic header at 512.</summary>
    public static void Fix(IImageFile image)
    {
        if (image.Length >= FooterBytes + HeaderBytes)
        {
            Fix(image, 0, FooterBytes, field: 64);
            Fix(image, FooterBytes, HeaderBytes, field: 36);
            Fix(image, image.Length - FooterBytes, FooterBytes, field: 64);
        }
    }

    private static void Fix(IImageFile image, long at, int length, int field)
    {
        Span<byte> bytes = new byte[length];
        image.ReadAt(bytes, at);
        if (bytes.StartsWith("conectix"u8) || bytes.StartsWith("cxsparse"u8))
        {
            bytes.Slice(field, 4).Clear();
            uint sum = 0;
            foreach (byte b in bytes)
            {
                sum += b;
            }
            WriteUInt32BigEndian(bytes[field..], ~sum);
            image.WriteAt(bytes, at);
        }
    }
}
