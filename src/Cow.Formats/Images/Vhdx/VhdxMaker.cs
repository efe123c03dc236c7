// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhdx;

/// <summary>Makes empty VHDXs: headers, log, metadata, table, in this order in the file.</summary>
/// <remarks>Settings: subformat=dynamic|fixed, block_size (32 MiB where nobody says otherwise, 2 MiB over a parent), log_size (1 MiB).</remarks>
internal static class VhdxMaker
{
    private const uint DefaultBlockBytes = 32 << 20;
    private const uint DefaultChildBlockBytes = 2 << 20;
    private const uint MostLogBytes = 64 << 20;
    private const string Creator = "dm-cow";

    /// <summary>Writes an empty image into an empty file, durably.</summary>
    /// <exception cref="ArgumentException">The options are not to be had in a VHDX.</exception>
    public static void Make(CachedFile file, ImageCreateOptions options)
    {
        if (options.VirtualBytes is 0 or > VhdxFormat.MostVirtualBytes || options.VirtualBytes % 512 != 0)
        {
            throw new ArgumentException($"a VHDX has a size in whole sectors, {VhdxFormat.MostVirtualBytes} bytes at most, not {options.VirtualBytes}", nameof(options));
        }
        Settings settings = Parse(options);
        byte[]? parent = options.Backing is null ? null : ParentOf(options.Backing);
        VhdxRange metadata = new(VhdxFormat.Megabyte + settings.LogBytes, (2 * VhdxFormat.Megabyte) + settings.LogBytes, "the metadata");
        ulong blocks = (options.VirtualBytes + settings.BlockBytes - 1) / settings.BlockBytes;
        VhdxRange bat = new(metadata.End, metadata.End + TableBytes(settings.BlockBytes, blocks), "the table");
        long end = bat.End + (settings.Fixed ? (long)blocks * settings.BlockBytes : 0);
        Reserve(file, end);
        if (settings.Fixed)
        {
            WriteFixedTable(file, bat, settings.BlockBytes, blocks);
        }
        file.WriteAt(VhdxMetadata.Make(settings.BlockBytes, settings.Fixed, options.VirtualBytes, parent), metadata.Start);
        WriteHeaders(file, VhdxRegions.Make(bat, metadata), settings.LogBytes);
        file.Flush();
    }

    private static byte[] ParentOf(BackingReference backing)
    {
        bool good = backing.Format == VhdxDriver.FormatName && backing.Names.Count > 0 && Guid.TryParse(backing.Identity, out _);
        return good
            ? VhdxParentLocator.Make(Guid.Parse(backing.Identity!), backing.Names[0])
            : throw new ArgumentException($"a VHDX is backed by a VHDX, not by {backing.Format ?? "one of unknown format"}", nameof(backing));
    }

    private static long TableBytes(uint blockBytes, ulong blocks)
    {
        ulong ratio = VhdxFormat.BitmapBlockSectors * 512 / blockBytes;
        ulong entries = (blocks + ratio - 1) / ratio * (ratio + 1);
        return VhdxFormat.AlignUp((long)entries * sizeof(ulong), VhdxFormat.Megabyte);
    }

    /// <summary>Gives the file its length. All that nobody writes afterwards reads as zeros: on a device that must be made so.</summary>
    private static void Reserve(CachedFile file, long end)
    {
        if (file.CanGrow)
        {
            file.SetLength(end);
            return;
        }
        if (file.Length < end)
        {
            throw NoRoom.For(file.Name, $"{end} bytes");
        }
        Zeros.Write(file, 0, end);
    }

    private static void WriteFixedTable(CachedFile file, VhdxRange bat, uint blockBytes, ulong blocks)
    {
        byte[] table = new byte[bat.End - bat.Start];
        ulong ratio = VhdxFormat.BitmapBlockSectors * 512 / blockBytes;
        for (ulong block = 0; block < blocks; block++)
        {
            VhdxEntry entry = new(VhdxState.Full, bat.End + ((long)block * blockBytes));
            WriteUInt64LittleEndian(table.AsSpan((int)((block + (block / ratio)) * sizeof(ulong))), entry.Raw);
        }
        file.WriteAt(table, bat.Start);
    }

    private static void WriteHeaders(CachedFile file, byte[] regions, uint logBytes)
    {
        byte[] magic = new byte[VhdxFormat.TableBytes];
        VhdxFormat.FileMagic.CopyTo(magic);
        Encoding.Unicode.GetBytes(Creator, magic.AsSpan(8));
        VhdxHeader header = VhdxHeader.Make(Guid.NewGuid(), Guid.NewGuid(), logBytes, VhdxFormat.Megabyte);
        foreach (long at in VhdxFormat.RegionTablesAt)
        {
            file.WriteAt(regions, at);
        }
        foreach (long at in VhdxFormat.HeadersAt)
        {
            file.WriteAt(header.Raw, at);
            header = header.With(header.FileWriteId, header.DataWriteId, Guid.Empty);
        }
        file.Flush();
        // Last, for without it the file is no image.
        file.WriteAt(magic, 0);
    }

    private static Settings Parse(ImageCreateOptions options)
    {
        Settings settings = new(Fixed: false, options.Backing is null ? DefaultBlockBytes : DefaultChildBlockBytes, 1 << 20);
        foreach ((string name, string value) in options.Settings)
        {
            settings = (name, value) switch
            {
                ("subformat", "dynamic") => settings,
                ("subformat", "fixed") when options.Backing is null => settings with { Fixed = true },
                ("block_size", _) => settings with { BlockBytes = Megabytes(name, value, 256 << 20) },
                ("log_size", _) => settings with { LogBytes = Megabytes(name, value, MostLogBytes) },
                _ => throw new ArgumentException($"a VHDX{(options.Backing is null ? "" : " with a parent")} has no setting {name}={value}; there are subformat=dynamic|fixed, block_size and log_size", nameof(options)),
            };
        }
        return settings;
    }

    private static uint Megabytes(string name, string value, uint most)
    {
        bool good = SizeText.TryParse(value, out ulong bytes) && ulong.IsPow2(bytes) && bytes >= (ulong)VhdxFormat.Megabyte && bytes <= most;
        return good ? (uint)bytes : throw new ArgumentException($"a VHDX's {name} is a power of two from 1 MiB to {most} bytes, not {value}", nameof(value));
    }

    private readonly record struct Settings(bool Fixed, uint BlockBytes, uint LogBytes);
}
