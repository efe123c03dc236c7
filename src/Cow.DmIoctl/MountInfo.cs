// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;

namespace Cow.DmIoctl;

/// <summary>
/// Reads /proc/self/mountinfo (proc(5)): id, parent, major:minor, root, mount point, options, optional fields, a lone
/// "-", type, source, options of the file system.
/// </summary>
internal static class MountInfo
{
    private const int NumberAt = 2;
    private const int PointAt = 4;
    private const int FixedFields = 6;

    /// <summary>See <see cref="BlockDevice.MountedAt"/>.</summary>
    /// <param name="lines">The file's.</param>
    /// <param name="number">The device.</param>
    /// <param name="readWrite">A mount of it has a writable file system.</param>
    public static string? Find(IEnumerable<string> lines, DeviceNumber number, out bool readWrite)
    {
        string? found = null;
        readWrite = false;
        foreach (string line in lines)
        {
            string[] fields = line.Split(' ');
            int dash = Array.IndexOf(fields, "-", Math.Min(FixedFields, fields.Length));
            if (dash < 0 || dash + 3 >= fields.Length || !IsOn(fields, dash, number))
            {
                continue;
            }

            found ??= Unescape(fields[PointAt]);
            readWrite |= fields[dash + 3].Split(',').Contains("rw");
        }

        return found;
    }

    // btrfs shows a number of its own and its device only as source.
    private static bool IsOn(string[] fields, int dash, DeviceNumber number)
    {
        if (DeviceNumber.TryParse(fields[NumberAt], out var mounted) && mounted == number)
        {
            return true;
        }

        string source = Unescape(fields[dash + 2]);
        return mounted.Major == 0 && source.StartsWith("/dev/", StringComparison.Ordinal)
            && FileStatus.Find(source, follow: true) is { IsBlock: true } status && status.Node == number;
    }

    // Blank, tab, newline and backslash come as \ooo.
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        var text = new StringBuilder(field.Length);
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length && TryOctal(field.AsSpan(i + 1, 3), out char plain))
            {
                text.Append(plain);
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }

    private static bool TryOctal(ReadOnlySpan<char> digits, out char value)
    {
        int number = 0;
        foreach (char digit in digits)
        {
            if (digit is < '0' or > '7')
            {
                value = default;
                return false;
            }

            number = (number * 8) + int.Parse([digit], NumberStyles.None, CultureInfo.InvariantCulture);
        }

        value = (char)number;
        return number < 256;
    }
}
