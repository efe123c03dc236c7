// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vmdk;

/// <summary>The text that says what a VMDK image consists of, in a file of its own or inside a sparse extent.</summary>
internal sealed class VmdkDescriptor
{
    /// <summary>Bytes of the text at most.</summary>
    public const int MostBytes = 1 << 20;

    /// <summary>Extents at most: 8 TiB in extents of 2 GiB.</summary>
    public const int MostExtents = 4096;

    /// <summary>Sectors of a disk at most, so that its bytes can be counted.</summary>
    public const ulong MostSectors = 1UL << 53;

    /// <summary>The CID that says that there is no parent.</summary>
    public const uint NoParent = 0xffffffff;

    private const string FirstLine = "# Disk DescriptorFile";
    private const int ProbedBytes = 1024;

    private readonly Dictionary<string, Value> _values = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<ExtentLine> _extents = [];
    private readonly IImageFile _file;

    private VmdkDescriptor(IImageFile file) => _file = file;

    /// <summary>What kind of image it is.</summary>
    public string CreateType => Text("createType");

    /// <summary>Changed whenever somebody starts to write, so that children notice; null where it has none.</summary>
    public string? ContentId => _values.ContainsKey("CID") ? $"{Id("CID"):x8}" : null;

    /// <summary>The <see cref="ContentId"/> that the parent had when this image was made; null where there is no parent.</summary>
    public string? ParentContentId => !_values.ContainsKey("parentCID") || Id("parentCID") == NoParent ? null : $"{Id("parentCID"):x8}";

    /// <summary>Name of the parent, or null.</summary>
    public string? ParentName => _values.TryGetValue("parentFileNameHint", out Value hint) ? hint.Text : null;

    /// <summary>Byte offset of that name in the file.</summary>
    public long ParentNameAt => _values["parentFileNameHint"].At;

    /// <summary>The file in which another program keeps what changed since its last backup, or null.</summary>
    public string? ChangeTrackName => _values.TryGetValue("changeTrackPath", out Value path) && path.Text.Length > 0 ? path.Text : null;

    /// <summary>The extents, in the order of the disk.</summary>
    public IReadOnlyList<ExtentLine> Extents => _extents;

    /// <summary>Whether the file begins as a descriptor does.</summary>
    public static bool Probe(IImageFile file)
    {
        byte[] start = new byte[(int)Math.Min(file.Length, ProbedBytes)];
        file.ReadAt(start, 0);
        ReadOnlySpan<byte> text = start.AsSpan().TrimStart(" \t\r\n"u8);
        return text.Length >= FirstLine.Length && System.Text.Ascii.EqualsIgnoreCase(text[..FirstLine.Length], FirstLine);
    }

    /// <summary>Reads a descriptor.</summary>
    /// <param name="file">The file that it is in.</param>
    /// <param name="at">Its byte offset.</param>
    /// <param name="length">Bytes that it may take; it ends at a NUL before that.</param>
    /// <exception cref="ImageFormatException">It is not as it should be.</exception>
    public static VmdkDescriptor Read(IImageFile file, long at, long length)
    {
        Expect.That(length <= MostBytes, file, at, $"a descriptor of {MostBytes} bytes at most", (ulong)length);
        byte[] bytes = new byte[(int)length];
        file.ReadAt(bytes, at);
        int end = Array.IndexOf(bytes, (byte)0);
        VmdkDescriptor descriptor = new(file);
        descriptor.Parse(bytes.AsSpan(0, end < 0 ? bytes.Length : end), at);
        return descriptor;
    }

    /// <summary>Replaces the <see cref="ContentId"/> by another one with as many digits, in place.</summary>
    public void ChangeContentId()
    {
        Expect.That(_values.TryGetValue("CID", out Value value), _file, 0, "a CID in the descriptor of an image that is to be written", "none");
        Span<char> digits = stackalloc char[value.Text.Length];
        do
        {
            System.Security.Cryptography.RandomNumberGenerator.GetHexString(digits, lowercase: true);
        }
        while (digits.SequenceEqual(value.Text) || uint.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) == NoParent);

        long length = _file.Length;
        SectorWriter writer = new(_file);
        for (int i = 0; i < digits.Length; i++)
        {
            // Two sectors at worst: any mixture of old and new digits is a CID that nobody expects.
            writer.Field(value.At + i, 1)[0] = (byte)digits[i];
        }
        writer.Done();
        if (_file.Length != length)
        {
            // The last sector was padded; readers want text to the end.
            _file.SetLength(length);
        }
    }

    private void Parse(ReadOnlySpan<byte> bytes, long at)
    {
        while (!bytes.IsEmpty)
        {
            int end = bytes.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? bytes : bytes[..end];
            int blank = line.Length - line.TrimStart(" \t\r"u8).Length;
            ReadOnlySpan<byte> text = line.Trim(" \t\r"u8);
            if (!text.IsEmpty && text[0] != '#')
            {
                ParseLine(Decode(text), text, at + blank);
            }
            at += line.Length + 1;
            bytes = end < 0 ? [] : bytes[(end + 1)..];
        }
    }

    private static string Decode(ReadOnlySpan<byte> text) => System.Text.Encoding.Latin1.GetString(text);

    private void ParseLine(string line, ReadOnlySpan<byte> bytes, long at)
    {
        if (ExtentLineParser.IsExtent(line))
        {
            Expect.That(_extents.Count < MostExtents, _file, at, $"{MostExtents} extents at most", "more");
            _extents.Add(ExtentLineParser.Parse(Names.Decode(bytes, _file, at), _file, at));
            return;
        }
        int equals = line.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            return;
        }
        string key = line[..equals].TrimEnd();
        int start = equals + 1;
        while (start < line.Length && line[start] is ' ' or '\t')
        {
            start++;
        }
        int end = line.Length;
        if (end - start >= 2 && line[start] == '"' && line[end - 1] == '"')
        {
            start++;
            end--;
        }
        if (IsOurs(key))
        {
            Names.RequireShort(end - start, _file, at + start);
            // Two of them would leave open which one counts.
            bool first = _values.TryAdd(key, new Value(Names.Decode(bytes[start..end], _file, at + start), at + start));
            Expect.That(first, _file, at, $"one {key}", "a second one");
        }
    }

    /// <summary>Whether a key decides what we read.</summary>
    private static bool IsOurs(string key) =>
        key.ToUpperInvariant() is "CID" or "PARENTCID" or "CREATETYPE" or "PARENTFILENAMEHINT" or "CHANGETRACKPATH";

    private string Text(string key) =>
        _values.TryGetValue(key, out Value value) ? value.Text : throw new ImageFormatException(_file.Name, 0, $"a descriptor with a {key}", "none");

    private uint Id(string key)
    {
        Value value = _values[key];
        uint id = 0;
        bool read = value.Text.Length <= 8 && uint.TryParse(value.Text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out id);
        return read ? id : throw new ImageFormatException(_file.Name, value.At, $"a {key} of 1 to 8 hexadecimal digits", $"{value.Text.Length} characters");
    }

    /// <summary>What stands behind a key.</summary>
    /// <param name="Text">Without quotes.</param>
    /// <param name="At">Its byte offset in the file.</param>
    private readonly record struct Value(string Text, long At);
}
