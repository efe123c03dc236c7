// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Cow.Formats.Images;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images;

/// <summary>What tests of images share whose files are nearly all hole.</summary>
internal static class Giant
{
    /// <summary>Opens a file, of which nothing counts as read.</summary>
    public static IDiskImage Open(IImageDriver driver, HoledFile file, bool writable = false)
    {
        ImageSource source = new MemoryFiles(_ => file).New("image");
        file.BytesRead = 0;
        return driver.Open(source, new ImageOpenOptions(writable));
    }

    /// <summary>Where the first thing is that the image has of the disk.</summary>
    public static ulong FirstExtent(IDiskImage image)
    {
        ulong at = 0;
        while (at < image.Info.VirtualBytes && image.Lookup(at, image.Info.VirtualBytes - at) is { Kind: ImageExtentKind.Below } extent)
        {
            at += extent.Length;
        }
        return at;
    }

    /// <summary>Big-endian words, one behind the other.</summary>
    public static byte[] Words(int count, Func<int, ulong> word)
    {
        ulong[] words = new ulong[count];
        for (int i = 0; i < count; i++)
        {
            words[i] = ReverseEndianness(word(i));
        }
        return MemoryMarshal.AsBytes(words.AsSpan()).ToArray();
    }
}
