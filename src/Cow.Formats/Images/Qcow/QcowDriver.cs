// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images.Qcow;

/// <summary>Makes and opens qcow version 1 images.</summary>
internal sealed class QcowDriver : IRepairingDriver, IStreamingDriver
{
    public const string FormatName = "qcow";

    public string Name => FormatName;

    public bool Probe(IImageFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return QcowHeader.Probe(file);
    }

    public IDiskImage Open(ImageSource source, ImageOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Snapshot is not null)
        {
            throw new ArgumentException("a qcow has no snapshots inside", nameof(options));
        }
        return new QcowImage(source, options);
    }

    /// <summary>What a killed process added to the file, and nothing names, is given back.</summary>
    public CheckReport Repair(ImageSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        using QcowImage image = new(source, new ImageOpenOptions(Writable: true) { ForRepair = true });
        image.GiveBackUnnamed();
        image.Close();
        return image.Check();
    }

    public IDiskImage Create(ImageSource source, ImageCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        byte[] name = Encoding.UTF8.GetBytes(options.Backing?.Names[0] ?? "");
        QcowHeader header = HeaderOf(source, options, name.Length);
        byte[] start = new byte[(int)header.DirectoryAt];
        header.Write(start, Now());
        name.CopyTo(start.AsSpan(QcowHeader.Bytes));
        // What is behind the end of a file reads as zeros once it is inside: an empty first-level table.
        source.File.SetLength((long)(header.DirectoryAt + header.DirectoryBytes + 511) / 512 * 512);
        byte[] sectors = new byte[(start.Length + 511) / 512 * 512];
        start.CopyTo(sectors, 0);
        source.File.WriteAt(sectors, 0);
        source.File.Flush();
        return new QcowImage(source, new ImageOpenOptions(Writable: true));
    }

    public IStreamedImage Stream(ImageSource source, ImageCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        return new QcowStream(source.File, HeaderOf(source, options, 0));
    }

    /// <summary>What the header says of the time.</summary>
    internal static uint Now() => (uint)DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    private static QcowHeader HeaderOf(ImageSource source, ImageCreateOptions options, int nameBytes)
    {
        // Over a backing image QEMU writes parts of clusters without what the backing image has in the rest. It gives such images clusters of one
        // sector, which have no rest, and so do we.
        byte clusterBits = options.Backing is null ? (byte)12 : (byte)9;
        foreach ((string setting, string value) in options.Settings)
        {
            clusterBits = setting == "cluster_size" ? ClusterBitsOf(value) : throw new ArgumentException($"qcow has no setting '{setting}'", nameof(options));
        }
        byte tableBits = clusterBits == 9 ? (byte)12 : (byte)(clusterBits - 3);
        ulong directory = (ulong)(QcowHeader.Bytes + nameBytes + 7) / 8 * 8;
        QcowHeader header = new(nameBytes == 0 ? 0UL : QcowHeader.Bytes, (uint)nameBytes, options.VirtualBytes, clusterBits, tableBits, 0, directory, null);
        return options.VirtualBytes is 0 or > long.MaxValue / 2 || options.VirtualBytes % 512 != 0 ? throw new ArgumentException($"a disk of {options.VirtualBytes} bytes; whole sectors are needed", nameof(options))
            : header.Tables > QcowHeader.MostTables ? throw new ArgumentException($"a disk of {options.VirtualBytes} bytes is too large for qcow with clusters of {header.ClusterBytes}", nameof(options))
            : nameBytes > QcowHeader.MostNameBytes ? throw new ArgumentException($"a backing image's name of {nameBytes} bytes; qcow takes {QcowHeader.MostNameBytes}", nameof(options))
            : !source.File.CanGrow ? throw new ArgumentException("qcow takes its space behind the end of a file, and this is a device", nameof(source))
            : header;
    }

    private static byte ClusterBitsOf(string value)
    {
        ulong bytes = Settings.Bytes("cluster_size", value);
        return ulong.IsPow2(bytes) && bytes is >= 512 and <= 65536
            ? (byte)ulong.Log2(bytes)
            : throw new ArgumentException($"cluster_size={value}; qcow takes powers of two from 512 to 64K");
    }
}
