// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>The names under which a differencing VHD looks for its parent.</summary>
/// <remarks>Best first: the relative one of Windows (W2ru), the file URL (MacX, which Xen writes), the absolute one of Windows (W2ku), and the name
/// in the header. Backslashes become slashes, a leading "./" is dropped: names mean the same here and there.</remarks>
internal static class VhdParentNames
{
    private const int MostNameBytes = 8192;
    private const string UrlScheme = "file://";

    private static readonly string[] BestFirst = ["W2ru", "MacX", "W2ku"];

    /// <summary>What a differencing image says of its parent.</summary>
    /// <exception cref="ImageFormatException">It has no name of it that can be read.</exception>
    public static BackingReference Read(IImageFile file, VhdHeader header)
    {
        List<string> names = [];
        long at = header.At + VhdHeader.ParentNameAt;
        VhdLocator[] locators = [.. header.ParentLocators()];
        foreach (string code in BestFirst)
        {
            foreach (VhdLocator locator in locators.Where(l => l.Code == code && l.Length > 0))
            {
                at = names.Count == 0 ? (long)locator.Offset : at;
                AddNames(names, locator, Bytes(file, locator));
            }
        }
        Add(names, Slashes(header.ParentName));
        if (names.Count == 0)
        {
            throw new ImageFormatException(file.Name, header.At + VhdHeader.LocatorsAt, "a name of the parent", "none");
        }
        bool raw = header.ParentId == Guid.Empty;
        return new BackingReference(names, raw ? "raw" : VhdDriver.FormatName, raw ? null : header.ParentId.ToString("D"), at);
    }

    /// <summary>Writes a parent's names behind the table, and the entries for them into a header.</summary>
    /// <param name="header">The header's bytes.</param>
    /// <param name="name">The name, as our system writes it.</param>
    /// <param name="at">Byte offset for the first name.</param>
    /// <returns>What is to be written there: a sector or more for each.</returns>
    public static byte[] Write(byte[] header, string name, long at)
    {
        string local = name.StartsWith('/') ? name : $"./{name}";
        string windows = local.Replace('/', '\\');
        (string Code, byte[] Name)[] all =
        [
            ("MacX", Encoding.UTF8.GetBytes(UrlScheme + local)),
            ("W2ku", Encoding.Unicode.GetBytes(windows)),
            ("W2ru", Encoding.Unicode.GetBytes(windows)),
        ];
        List<byte> names = [];
        for (int i = 0; i < all.Length; i++)
        {
            int space = (int)VhdLayout.AlignUp(all[i].Name.Length, 512);
            Span<byte> entry = header.AsSpan(VhdHeader.LocatorsAt + (i * VhdHeader.LocatorBytes), VhdHeader.LocatorBytes);
            Encoding.Latin1.GetBytes(all[i].Code, entry);
            WriteUInt32BigEndian(entry[4..], (uint)space);
            WriteUInt32BigEndian(entry[8..], (uint)all[i].Name.Length);
            WriteUInt64BigEndian(entry[16..], (ulong)(at + names.Count));
            names.AddRange(all[i].Name);
            names.AddRange(new byte[space - all[i].Name.Length]);
        }
        byte[] shortName = Encoding.BigEndianUnicode.GetBytes(Path.GetFileName(name));
        shortName.AsSpan(0, Math.Min(shortName.Length, VhdHeader.ParentNameBytes - 2)).CopyTo(header.AsSpan(VhdHeader.ParentNameAt));
        return [.. names];
    }

    private static void AddNames(List<string> names, VhdLocator locator, byte[] bytes)
    {
        if (locator.Code != "MacX")
        {
            Add(names, Slashes(Encoding.Unicode.GetString(bytes).TrimEnd('\0')));
            return;
        }
        string url = Encoding.UTF8.GetString(bytes).TrimEnd('\0');
        if (url.StartsWith(UrlScheme, StringComparison.Ordinal))
        {
            // Xen writes the name as it is; others escape it, as a URL demands.
            Add(names, url[UrlScheme.Length..]);
            Add(names, Uri.UnescapeDataString(url[UrlScheme.Length..]));
        }
    }

    private static void Add(List<string> names, string name)
    {
        string plain = name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name;
        if (plain.Length > 0 && !plain.Contains('\0', StringComparison.Ordinal) && !names.Contains(plain))
        {
            names.Add(plain);
        }
    }

    private static string Slashes(string name) => name.Replace('\\', '/');

    private static byte[] Bytes(IImageFile file, VhdLocator locator)
    {
        if (locator.Length > MostNameBytes)
        {
            throw new ImageFormatException(file.Name, locator.EntryAt + 8, $"a name of at most {MostNameBytes} bytes", $"{locator.Length}");
        }
        byte[] bytes = new byte[locator.Length];
        file.ReadAt(bytes, (long)locator.Offset);
        return bytes;
    }
}
