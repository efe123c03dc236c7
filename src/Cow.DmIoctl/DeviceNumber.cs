// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.DmIoctl;

/// <summary>The number of a block or character device.</summary>
/// <param name="Major">The driver.</param>
/// <param name="Minor">The driver's device.</param>
public readonly record struct DeviceNumber(uint Major, uint Minor)
{
    /// <summary>
    /// The number as ioctls (huge_encode_dev in linux/kdev_t.h) and mknod (makedev of the C library) take it. Both
    /// agree for all majors below 4096 and minors below 2^20, which are all that the kernel has.
    /// </summary>
    public ulong Encode() =>
        ((ulong)(Major & 0xffff_f000) << 32) | ((Major & 0xfff) << 8) |
        ((ulong)(Minor & 0xffff_ff00) << 12) | (Minor & 0xff);

    /// <summary>Takes <see cref="Encode"/> apart.</summary>
    /// <param name="encoded">A dev_t of 64 bits.</param>
    public static DeviceNumber Decode(ulong encoded) => new(
        (uint)((encoded >> 32) & 0xffff_f000) | (uint)((encoded >> 8) & 0xfff),
        (uint)((encoded >> 12) & 0xffff_ff00) | (uint)(encoded & 0xff));

    /// <summary>Reads <c>8:16</c>; throws <see cref="FormatException"/> for anything else.</summary>
    /// <param name="text">Major and minor in decimal, with a colon; spaces around are ignored.</param>
    public static DeviceNumber Parse(string text) => TryParse(text, out var number)
        ? number
        : throw new FormatException($"'{text}' is not a device number (8:16)");

    /// <summary>Reads <c>8:16</c>.</summary>
    /// <param name="text">Major and minor in decimal, with a colon; spaces around are ignored.</param>
    /// <param name="number">The number, or 0:0.</param>
    /// <returns>False for anything else.</returns>
    public static bool TryParse(string? text, out DeviceNumber number)
    {
        number = default;
        var span = text.AsSpan().Trim();
        int colon = span.IndexOf(':');
        if (colon < 0
            || !uint.TryParse(span[..colon], NumberStyles.None, CultureInfo.InvariantCulture, out uint major)
            || !uint.TryParse(span[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out uint minor))
        {
            return false;
        }

        number = new DeviceNumber(major, minor);
        return true;
    }

    /// <summary>The number as <c>8:16</c>, which table lines also take in place of a path.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}:{Minor}");
}
