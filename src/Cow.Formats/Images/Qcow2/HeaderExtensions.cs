// SPDX-License-Identifier: MIT
using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Qcow2;

/// <summary>The extensions behind the header that we know; others are left where they are.</summary>
internal sealed class HeaderExtensions
{
    public const uint BackingFormatType = 0xe279_2aca;
    public const uint FeatureNamesType = 0x6803_f857;
    public const uint DataFileType = 0x4441_5441;
    private const uint EndType = 0;
    private const uint BitmapsType = 0x2385_2875;
    private const uint LuksType = 0x0537_be77;

    /// <summary>Takes the place of an extension that was dropped and does not stand last. Nobody knows it, so everybody passes it by.</summary>
    private const uint DroppedType = 0x6472_6f70;

    private const int HeadBytes = 8;
    private const int FeatureBytes = 48;

    private readonly Dictionary<int, string> _featureNames = [];

    /// <summary>Name of the backing image's format, or null.</summary>
    public string? BackingFormat { get; private set; }

    /// <summary>Name of the external data file, or null.</summary>
    public string? DataFile { get; private set; }

    /// <summary>Byte offset of that name.</summary>
    public long DataFileOffset { get; private set; }

    /// <summary>Where the bitmap directory is, or null.</summary>
    public BitmapDirectory? Bitmaps { get; private set; }

    /// <summary>Reads them.</summary>
    /// <param name="header">Of a cluster size that is possible; else judged by nobody so far.</param>
    /// <param name="file">The image.</param>
    /// <exception cref="ImageFormatException">One runs over the end of their area, or is not what its type says.</exception>
    public static HeaderExtensions Read(Qcow2Header header, MetadataFile file)
    {
        HeaderExtensions result = new();
        ulong end = Math.Min(header.BackingOffset > 0 ? header.BackingOffset : header.ClusterBytes, header.ClusterBytes);
        Span<byte> head = stackalloc byte[HeadBytes];
        for (ulong at = header.HeaderLength; at + HeadBytes <= end;)
        {
            file.Read(head, at);
            uint type = ReadUInt32BigEndian(head);
            uint length = ReadUInt32BigEndian(head[4..]);
            if (type == EndType)
            {
                break;
            }
            ulong data = at + HeadBytes;
            Require(length <= end - data, file, at, "an extension inside its area", $"{length} bytes");
            result.Take(type, (int)length, data, header, file);
            at = data + ((length + 7UL) & ~7UL);
        }
        return result;
    }

    /// <summary>Appends an extension to the area behind a new header.</summary>
    public static void Append(List<byte> area, uint type, ReadOnlySpan<byte> data)
    {
        Span<byte> head = stackalloc byte[HeadBytes];
        WriteUInt32BigEndian(head, type);
        WriteUInt32BigEndian(head[4..], (uint)data.Length);
        area.AddRange(head);
        area.AddRange(data);
        area.AddRange(new byte[-data.Length & 7]);
    }

    /// <summary>The names of all features, for readers that do not know one.</summary>
    public static byte[] FeatureNames()
    {
        (byte Type, int Bit, string Name)[] all =
        [
            (0, 0, "dirty bit"), (0, 1, "corrupt bit"), (0, 2, "external data file"), (0, 3, "compression type"), (0, 4, "extended L2 entries"),
            (1, 0, "lazy refcounts"), (2, 0, "bitmaps"), (2, 1, "raw external data"),
        ];
        byte[] table = new byte[all.Length * FeatureBytes];
        for (int i = 0; i < all.Length; i++)
        {
            Span<byte> entry = table.AsSpan(i * FeatureBytes, FeatureBytes);
            (entry[0], entry[1]) = (all[i].Type, (byte)all[i].Bit);
            Encoding.ASCII.GetBytes(all[i].Name, entry[2..]);
        }
        return table;
    }

    /// <summary>What the image calls an incompatible feature bit.</summary>
    public string FeatureName(int bit) => _featureNames.TryGetValue(bit, out string? name) ? $"\"{name}\" (bit {bit})" : $"bit {bit}";

    /// <summary>Takes the bitmaps extension out, in one sector: as the end of the extensions where it stands last, else under a type that means nothing; or does
    /// nothing where there is none.</summary>
    public void DropBitmaps(Qcow2Header header, MetadataFile file)
    {
        if (Bitmaps is not { ExtensionAt: ulong at, ExtensionBytes: uint bytes })
        {
            return;
        }
        ulong next = at + HeadBytes + ((bytes + 7UL) & ~7UL);
        bool last = next + 4 > (header.BackingOffset > 0 ? header.BackingOffset : header.ClusterBytes) || file.Read32(next) == EndType;
        file.Patch32(at, last ? EndType : DroppedType);
        Bitmaps = null;
    }

    private void Take(uint type, int length, ulong at, Qcow2Header header, MetadataFile file)
    {
        switch (type)
        {
            case BackingFormatType:
                BackingFormat = Text(length, at, file);
                break;
            case DataFileType:
                DataFile = Text(length, at, file);
                DataFileOffset = (long)at;
                break;
            case FeatureNamesType:
                TakeFeatureNames(length, at, file);
                break;
            case LuksType:
                throw new ImageFormatException(file.Name, (long)at, "no encryption, which this driver does not do", "a pointer to a LUKS header");
            // Without the autoclear bit somebody has written who does not know bitmaps: then what is here counts for nothing.
            case BitmapsType when header.Has(AutoclearFeatures.Bitmaps):
                Bitmaps = BitmapDirectory.Read(file, at - HeadBytes, at, (uint)length);
                break;
            default:
                break;
        }
    }

    private void TakeFeatureNames(int length, ulong at, MetadataFile file)
    {
        Span<byte> entry = stackalloc byte[FeatureBytes];
        for (int done = 0; done + FeatureBytes <= length; done += FeatureBytes)
        {
            file.Read(entry, at + (ulong)done);
            if (entry[0] == 0)
            {
                int end = entry[2..].IndexOf((byte)0);
                _featureNames[entry[1]] = Encoding.UTF8.GetString(end < 0 ? entry[2..] : entry.Slice(2, end));
            }
        }
    }

    private static string Text(int length, ulong at, MetadataFile file)
    {
        Require(length <= Qcow2Header.MaxNameBytes, file, at, $"a name of {Qcow2Header.MaxNameBytes} bytes at most", $"{length}");
        return file.ReadText(at, length);
    }

    private static void Require(bool condition, MetadataFile file, ulong at, string expected, string found)
    {
        if (!condition)
        {
            throw new ImageFormatException(file.Name, (long)at, expected, found);
        }
    }
}
