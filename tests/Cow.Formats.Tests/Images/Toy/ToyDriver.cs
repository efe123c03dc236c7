// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Images;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Toy;

/// <summary>What a toy image does wrong by intent, so that the contract can show that it sees it.</summary>
internal enum ToyFault
{
    None,

    /// <summary>The table names a new place before the data is flushed: it is written at once when a place is reserved.</summary>
    NamesPlacesEarly,

    /// <summary>What Flush promises is not durable.</summary>
    ForgetsToFlush,

    /// <summary>Two chunks get one place when they are reserved one after the other.</summary>
    GivesPlacesTwice,

    /// <summary>Entries are believed as they are.</summary>
    BelievesEntries,

    /// <summary>The check finds nothing, whatever there is.</summary>
    ChecksNothing,

    /// <summary>Part of the table is written, not whole sectors.</summary>
    WritesHalfSectors,

    /// <summary>Lookup makes garbage.</summary>
    Litters,

    /// <summary>It says of no part of the file that commits write it.</summary>
    TellsNoTable,
}

/// <summary>The smallest format of disk images that can be written: a header, a table with an offset for each chunk, and chunks. For tests of the
/// tests.</summary>
internal sealed class ToyDriver(ToyFault fault = ToyFault.None) : IImageDriver
{
    public const int HeaderBytes = 512;

    public const uint ChunkSectors = 8;

    private const int MostChunks = 1 << 20;

    public string Name => "toy";

    private static ReadOnlySpan<byte> Magic => "TOYIMAGE"u8;

    public bool Probe(IImageFile file) => file.Length >= HeaderBytes && Header(file).AsSpan(0, 8).SequenceEqual(Magic);

    public IDiskImage Create(ImageSource source, ImageCreateOptions options)
    {
        foreach (string setting in options.Settings.Keys)
        {
            throw new ArgumentException($"the toy format knows no setting {setting}");
        }
        byte[] header = new byte[HeaderBytes];
        Magic.CopyTo(header);
        WriteUInt64LittleEndian(header.AsSpan(8), options.VirtualBytes);
        if (options.Backing is { } backing)
        {
            byte[] name = Encoding.UTF8.GetBytes(backing.Names[0]);
            header[16] = (byte)name.Length;
            name.CopyTo(header, 17);
        }
        source.File.WriteAt(header, 0);
        source.File.WriteAt(new byte[ToyImage.TableBytes(options.VirtualBytes)], HeaderBytes);
        source.File.Flush();
        return Open(source, new ImageOpenOptions(Writable: true));
    }

    public IDiskImage Open(ImageSource source, ImageOpenOptions options)
    {
        if (!Probe(source.File))
        {
            throw new ImageFormatException(source.Path, 0, "the magic TOYIMAGE", "something else");
        }
        byte[] header = Header(source.File);
        ulong bytes = ReadUInt64LittleEndian(header.AsSpan(8));
        if (bytes is 0 or > (ulong)MostChunks * ChunkSectors * 512 || bytes % 512 != 0 || HeaderBytes + ToyImage.TableBytes(bytes) > source.File.Length)
        {
            throw new ImageFormatException(source.Path, 8, "a size whose table the file holds", $"{bytes}");
        }
        BackingReference? backing = header[16] == 0 ? null : new([Encoding.UTF8.GetString(header, 17, header[16])], null, null, 17);
        return new ToyImage(source, bytes, backing, fault);
    }

    private static byte[] Header(IImageFile file)
    {
        byte[] header = new byte[HeaderBytes];
        file.ReadAt(header, 0);
        return header;
    }
}
