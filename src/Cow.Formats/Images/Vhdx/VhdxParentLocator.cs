// SPDX-License-Identifier: MIT
using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>The metadata item that names the parent: pairs of a key and a value, UTF-16LE.</summary>
/// <remarks>A parent is the right one if its data write id is <c>parent_linkage</c>. Names, best first: <c>relative_path</c>,
/// <c>absolute_win32_path</c>, <c>volume_path</c>; backslashes become slashes, a leading "./" is dropped.</remarks>
internal static class VhdxParentLocator
{
    private const int HeaderBytes = 20;
    private const int EntryBytes = 12;
    private const int MostPairs = 256;
    private const string Linkage = "parent_linkage";
    private const string RelativePath = "relative_path";

    private static readonly string[] BestFirst = [RelativePath, "absolute_win32_path", "volume_path"];

    /// <summary>Reads a parent locator.</summary>
    /// <param name="file">Name of the file.</param>
    /// <param name="item">Bytes of the item.</param>
    /// <param name="at">Byte offset of it in the file.</param>
    /// <exception cref="ImageFormatException">It is none, or names no parent.</exception>
    public static BackingReference Read(string file, byte[] item, long at)
    {
        int pairs = item.Length < HeaderBytes ? 0 : ReadUInt16LittleEndian(item.AsSpan(18));
        if (pairs is 0 or > MostPairs || item.Length < HeaderBytes + (pairs * EntryBytes))
        {
            throw new ImageFormatException(file, at, $"a parent locator of 1 to {MostPairs} pairs", $"{pairs} in {item.Length} bytes");
        }
        if (new Guid(item.AsSpan(0, 16)) != VhdxFormat.ParentLocatorType)
        {
            throw new ImageFormatException(file, at, $"a parent that is a VHDX ({VhdxFormat.ParentLocatorType})", $"{new Guid(item.AsSpan(0, 16))}");
        }
        Dictionary<string, (string Value, long At)> values = [];
        for (int i = 0; i < pairs; i++)
        {
            int entry = HeaderBytes + (i * EntryBytes);
            string key = Text(file, item, ReadUInt32LittleEndian(item.AsSpan(entry)), ReadUInt16LittleEndian(item.AsSpan(entry + 8)), at + entry);
            uint valueAt = ReadUInt32LittleEndian(item.AsSpan(entry + 4));
            string value = Text(file, item, valueAt, ReadUInt16LittleEndian(item.AsSpan(entry + 10)), at + entry + 4);
            if (!values.TryAdd(key, (value, at + valueAt)))
            {
                throw new ImageFormatException(file, at + entry, "each key of the parent locator once", key);
            }
        }
        return ToReference(file, values, at);
    }

    /// <summary>Makes a parent locator.</summary>
    /// <param name="linkage">The parent's data write id.</param>
    /// <param name="name">Its name, as our system writes it.</param>
    public static byte[] Make(Guid linkage, string name)
    {
        string path = (name.StartsWith('/') ? name : $"./{name}").Replace('/', '\\');
        (string, string)[] pairs = [(Linkage, linkage.ToString("B")), (name.StartsWith('/') ? "absolute_win32_path" : RelativePath, path)];
        List<byte> text = [];
        byte[] head = new byte[HeaderBytes + (pairs.Length * EntryBytes)];
        VhdxFormat.ParentLocatorType.TryWriteBytes(head);
        WriteUInt16LittleEndian(head.AsSpan(18), (ushort)pairs.Length);
        for (int i = 0; i < pairs.Length; i++)
        {
            Span<byte> entry = head.AsSpan(HeaderBytes + (i * EntryBytes), EntryBytes);
            byte[] key = Encoding.Unicode.GetBytes(pairs[i].Item1);
            byte[] value = Encoding.Unicode.GetBytes(pairs[i].Item2);
            WriteUInt32LittleEndian(entry, (uint)(head.Length + text.Count));
            WriteUInt32LittleEndian(entry[4..], (uint)(head.Length + text.Count + key.Length));
            WriteUInt16LittleEndian(entry[8..], checked((ushort)key.Length));
            WriteUInt16LittleEndian(entry[10..], checked((ushort)value.Length));
            text.AddRange(key);
            text.AddRange(value);
        }
        return [.. head, .. text];
    }

    private static BackingReference ToReference(string file, Dictionary<string, (string Value, long At)> values, long at)
    {
        if (!values.TryGetValue(Linkage, out (string Value, long At) linkage) || !Guid.TryParse(linkage.Value, out Guid id))
        {
            throw new ImageFormatException(file, at, "a parent locator with the parent's id (parent_linkage)", linkage.Value ?? "none");
        }
        List<string> names = [];
        long nameAt = at;
        foreach (string key in BestFirst)
        {
            if (values.TryGetValue(key, out (string Value, long At) found))
            {
                nameAt = names.Count == 0 ? found.At : nameAt;
                string name = found.Value.Replace('\\', '/');
                names.Add(name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name);
            }
        }
        return names.Count > 0
            ? new BackingReference(names, VhdxDriver.FormatName, id.ToString("D"), nameAt)
            : throw new ImageFormatException(file, at, $"a parent locator with a path ({string.Join(", ", BestFirst)})", "none");
    }

    private static string Text(string file, byte[] item, uint offset, ushort length, long at)
    {
        bool inside = length > 0 && length % 2 == 0 && offset <= item.Length && length <= item.Length - offset;
        string text = inside ? Encoding.Unicode.GetString(item, (int)offset, length) : "\0";
        return text.Contains('\0', StringComparison.Ordinal)
            ? throw new ImageFormatException(file, at, $"a text inside the parent locator of {item.Length} bytes, without zeros", $"{length} bytes at {offset}")
            : text;
    }
}
