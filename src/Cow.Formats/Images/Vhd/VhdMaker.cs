// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.Formats.Io;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Images.Vhd;

/// <summary>Makes empty VHDs: footer's copy, header, table, names of the parent, footer.</summary>
/// <remarks>Settings: subformat=dynamic|fixed, and block_size (2 MiB where nobody says otherwise; not every reader knows another).</remarks>
internal static class VhdMaker
{
    private const int Sector = 512;
    private const long TableOffset = VhdFooter.Bytes + VhdHeader.Bytes;
    private const uint DefaultBlockBytes = 2 << 20;

    /// <summary>Writes an empty image into an empty file, durably.</summary>
    /// <exception cref="ArgumentException">The options are not to be had in a VHD.</exception>
    public static void Make(CachedFile file, ImageCreateOptions options)
    {
        ulong bytes = options.VirtualBytes;
        if (bytes is 0 or > VhdFooter.MostVirtualBytes || bytes % Sector != 0)
        {
            throw new ArgumentException($"a VHD has a size in whole sectors, {VhdFooter.MostVirtualBytes} bytes at most, not {bytes}", nameof(options));
        }
        Settings settings = Parse(options);
        if (settings.Fixed)
        {
            MakeFixed(file, bytes);
        }
        else
        {
            MakeSparse(file, options, settings.BlockBytes);
        }
        file.Flush();
    }

    private static void MakeFixed(CachedFile file, ulong bytes)
    {
        long end = file.CanGrow ? (long)bytes : file.Length - VhdFooter.Bytes;
        if (end < (long)bytes)
        {
            throw NoRoom.For(file.Name, $"a disk of {bytes} bytes and a footer");
        }
        if (!file.CanGrow)
        {
            Zeros.Write(file, 0, (long)bytes);
            file.Flush();
        }
        Guid id = Guid.NewGuid();
        WriteFooter(file, VhdFooter.Make(VhdType.Fixed, bytes, ulong.MaxValue, DateTime.UtcNow, id), end);
    }

    private static void MakeSparse(CachedFile file, ImageCreateOptions options, uint blockBytes)
    {
        ulong blocks = (options.VirtualBytes + blockBytes - 1) / blockBytes;
        long tableEnd = TableOffset + VhdLayout.AlignUp((long)blocks * sizeof(uint), Sector);
        byte[] names = [];
        byte[] header = VhdHeader.Make(TableOffset, checked((uint)blocks), blockBytes, options.Backing is null ? null : h => names = WriteParent(h, options.Backing, tableEnd));
        long end = file.CanGrow ? VhdLayout.AlignUp(tableEnd + names.Length, Sector) : file.Length - VhdFooter.Bytes;
        if (end < tableEnd + names.Length)
        {
            throw NoRoom.For(file.Name, $"the table of a disk of {options.VirtualBytes} bytes");
        }
        VhdType type = options.Backing is null ? VhdType.Dynamic : VhdType.Differencing;
        VhdFooter footer = VhdFooter.Make(type, options.VirtualBytes, VhdFooter.Bytes, DateTime.UtcNow, Guid.NewGuid());
        WriteTable(file, tableEnd);
        file.WriteAt(names, tableEnd);
        file.WriteAt(header, VhdFooter.Bytes);
        WriteFooter(file, footer, end);
        file.Flush();
        // Last, for without it a dynamic image's file is none.
        file.WriteAt(footer.Raw, 0);
    }

    private static byte[] WriteParent(byte[] header, BackingReference parent, long namesAt)
    {
        if (parent.Names.Count == 0 || parent.Format is not ("raw" or VhdDriver.FormatName or VhdDriver.NameInQemu))
        {
            throw new ArgumentException($"a VHD is backed by a VHD or a raw image, not by {parent.Format ?? "one of unknown format"}", nameof(parent));
        }
        // No id: Xen's way to say that the parent is a raw image.
        Guid id = parent.Identity is null ? Guid.Empty : Guid.Parse(parent.Identity);
        id.TryWriteBytes(header.AsSpan(40), bigEndian: true, out _);
        WriteUInt32BigEndian(header.AsSpan(56), VhdFooter.SecondsSince2000(DateTime.UtcNow));
        return VhdParentNames.Write(header, parent.Names[0], namesAt);
    }

    private static void WriteTable(CachedFile file, long end)
    {
        byte[] empty = new byte[64 * 1024];
        empty.AsSpan().Fill(byte.MaxValue);
        for (long at = TableOffset; at < end; at += empty.Length)
        {
            file.WriteAt(empty.AsSpan(0, (int)Math.Min(empty.Length, end - at)), at);
        }
    }

    private static void WriteFooter(CachedFile file, VhdFooter footer, long at)
    {
        file.WriteAt(footer.Raw, at);
        if (file.CanGrow)
        {
            // A file on a device with larger blocks has grown to a whole one.
            file.SetLength(at + VhdFooter.Bytes);
        }
    }

    private static Settings Parse(ImageCreateOptions options)
    {
        Settings settings = new(Fixed: false, DefaultBlockBytes);
        foreach ((string name, string value) in options.Settings)
        {
            settings = (name, value) switch
            {
                ("subformat", "dynamic") => settings,
                ("subformat", "fixed") when options.Backing is null => settings with { Fixed = true },
                ("block_size", _) => settings with { BlockBytes = BlockSize(value) },
                _ => throw new ArgumentException($"a VHD{(options.Backing is null ? "" : " with a parent")} has no setting {name}={value}; there are subformat=dynamic|fixed and block_size", nameof(options)),
            };
        }
        return settings;
    }

    private static uint BlockSize(string value)
    {
        bool good = SizeText.TryParse(value, out ulong bytes) && ulong.IsPow2(bytes) && bytes is >= VhdHeader.LeastBlockBytes and <= VhdHeader.MostBlockBytes;
        return good ? (uint)bytes : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"a VHD's block_size is a power of two from {VhdHeader.LeastBlockBytes} to {VhdHeader.MostBlockBytes} bytes, not {value}"), nameof(value));
    }

    private readonly record struct Settings(bool Fixed, uint BlockBytes);
}
