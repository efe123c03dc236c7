// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Vmdk;

/// <summary>Reads the line of an extent: access, sectors, type, and where the type has a file its name in quotes and perhaps a first sector.</summary>
internal static class ExtentLineParser
{
    /// <summary>Whether a line is one of an extent.</summary>
    public static bool IsExtent(string line) => FirstWord(line) is "RW" or "RDONLY" or "NOACCESS";

    /// <summary>Reads such a line.</summary>
    /// <param name="line">The line.</param>
    /// <param name="file">The file that it is in.</param>
    /// <param name="at">Its byte offset there.</param>
    /// <exception cref="ImageFormatException">It is not as it should be.</exception>
    public static ExtentLine Parse(string line, IImageFile file, long at)
    {
        int quote = line.IndexOf('"', StringComparison.Ordinal);
        int endQuote = line.LastIndexOf('"');
        string[] words = Words(quote < 0 ? line : line[..quote]);
        string[] rest = quote < 0 ? [] : Words(line[(endQuote + 1)..]);
        Expect.That(words.Length == 3, file, at, "an extent's access, sectors and type", Shown(line));
        Expect.That(words[0] != "NOACCESS", file, at, "an extent that may be read", Shown(line));
        ExtentType type = TypeOf(words[2], file, at);
        Expect.That(type == ExtentType.Zero ? quote < 0 : endQuote > quote, file, at, "a name in quotes for an extent in a file", Shown(line));
        ulong sectors = Number(words[1], "an extent's sectors", file, at);
        Expect.That(sectors > 0, file, at, "an extent of at least one sector", Shown(line));
        Expect.That(rest.Length <= (type == ExtentType.Flat ? 1 : 0), file, at, "nothing behind an extent's name but the first sector of a flat one", Shown(line));
        ulong first = rest.Length == 0 ? 0 : Number(rest[0], "an extent's first sector", file, at);
        string name = quote < 0 ? "" : line[(quote + 1)..endQuote];
        Names.RequireShort(Encoding.UTF8.GetByteCount(name), file, at);
        return new ExtentLine(at, words[0] == "RW" ? ExtentAccess.ReadWrite : ExtentAccess.ReadOnly, sectors, type, name, first);
    }

    private static ExtentType TypeOf(string word, IImageFile file, long at) => word switch
    {
        "FLAT" or "VMFS" => ExtentType.Flat,
        "SPARSE" or "VMFSSPARSE" or "SESPARSE" => ExtentType.Sparse,
        "ZERO" => ExtentType.Zero,
        _ => throw new ImageFormatException(file.Name, at, "an extent of type FLAT, VMFS, SPARSE, VMFSSPARSE, SESPARSE or ZERO", Shown(word)),
    };

    private static ulong Number(string word, string what, IImageFile file, long at)
    {
        bool read = ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) && number <= VmdkDescriptor.MostSectors;
        return read ? number : throw new ImageFormatException(file.Name, at, $"{what}, {VmdkDescriptor.MostSectors} at most", Shown(word));
    }

    private static string FirstWord(string line)
    {
        int space = line.IndexOfAny([' ', '\t']);
        return space < 0 ? line : line[..space];
    }

    private static string[] Words(string text) => text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);

    /// <summary>As much of a text as a message bears.</summary>
    private static string Shown(string text) => $"'{Printable.Start(text, 100)}'";
}
