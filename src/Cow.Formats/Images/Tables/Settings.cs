// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Formats.Images.Tables;

/// <summary>Reads the values of settings as qemu-img writes them.</summary>
internal static class Settings
{
    /// <summary>A number of bytes: digits, and perhaps k, M, G or T, powers of 1024.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static ulong Bytes(string name, string value)
    {
        int shift = value.Length == 0 ? 0 : char.ToUpperInvariant(value[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        string digits = shift == 0 ? value : value[..^1];
        return ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) && number <= ulong.MaxValue >> shift
            ? number << shift
            : throw new ArgumentException($"{name}={value} is no number of bytes");
    }

    /// <summary>A switch: on or off.</summary>
    /// <exception cref="ArgumentException">It is neither.</exception>
    public static bool Switch(string name, string value) => value switch
    {
        "on" => true,
        "off" => false,
        _ => throw new ArgumentException($"{name}={value} is neither on nor off"),
    };
}
