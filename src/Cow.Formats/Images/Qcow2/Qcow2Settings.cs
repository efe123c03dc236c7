// SPDX-License-Identifier: MIT
using System.Globalization;

namespace Cow.Formats.Images.Qcow2;

/// <summary>The settings of a new image, named as qemu-img's -o knows them.</summary>
internal sealed record Qcow2Settings
{
    public int ClusterBits { get; init; } = 16;

    public uint Version { get; init; } = 3;

    public int RefcountOrder { get; init; } = 4;

    public bool Extended { get; init; }

    public bool Lazy { get; init; }

    public string? DataFile { get; init; }

    public bool RawDataFile { get; init; }

    public CompressionType Compression { get; init; }

    /// <summary>All L2 entries name host clusters from the start.</summary>
    public bool Preallocated { get; init; }

    /// <summary>Reads and judges them.</summary>
    /// <exception cref="ArgumentException">One is unknown, or does not go with another.</exception>
    public static Qcow2Settings Parse(ImageCreateOptions options)
    {
        Qcow2Settings settings = new();
        foreach ((string name, string value) in options.Settings)
        {
            settings = settings.With(name, value);
        }
        settings.Judge(options);
        return settings;
    }

    private Qcow2Settings With(string name, string value) => name switch
    {
        "cluster_size" => this with { ClusterBits = Exponent(name, Bytes(value)) },
        "compat" => this with { Version = value switch { "0.10" or "v2" => 2u, "1.1" or "v3" => 3u, _ => throw Bad(name, value) } },
        "refcount_bits" => this with { RefcountOrder = Exponent(name, Bytes(value)) },
        "extended_l2" => this with { Extended = Switch(name, value) },
        "lazy_refcounts" => this with { Lazy = Switch(name, value) },
        "data_file" => this with { DataFile = value },
        "data_file_raw" => this with { RawDataFile = Switch(name, value) },
        "compression_type" => this with { Compression = value switch { "zlib" or "deflate" => CompressionType.Deflate, "zstd" => CompressionType.Zstd, _ => throw Bad(name, value) } },
        "preallocation" => this with { Preallocated = value switch { "off" => false, "metadata" => true, _ => throw Bad(name, value) } },
        _ => throw new ArgumentException($"qcow2 has no setting {name}"),
    };

    private void Judge(ImageCreateOptions options)
    {
        Require(options.VirtualBytes % 512 == 0, "a disk has whole sectors of 512 bytes");
        Require(ClusterBits is >= 9 and <= 21, "a cluster has 512 bytes to 2 MiB");
        Require(RefcountOrder <= 6, "a refcount has 1 to 64 bits");
        Require(Version >= 3 || (RefcountOrder == 4 && !Extended && !Lazy && DataFile is null && Compression == CompressionType.Deflate), "these settings need compat=1.1");
        Require(!Extended || ClusterBits >= 14, "extended_l2 needs clusters of 16 KiB or more");
        Require(!RawDataFile || (DataFile is not null && options.Backing is null), "data_file_raw needs a data_file, and no backing file");
        Require(!Preallocated || options.Backing is null, "preallocation does not go with a backing file");
    }

    private static void Require(bool condition, string sentence)
    {
        if (!condition)
        {
            throw new ArgumentException(sentence);
        }
    }

    private static ArgumentException Bad(string name, string value) => new($"qcow2 does not take {name}={value}");

    private static bool Switch(string name, string value) => value switch { "on" or "true" => true, "off" or "false" => false, _ => throw Bad(name, value) };

    private static int Exponent(string name, ulong value) => ulong.IsPow2(value) ? System.Numerics.BitOperations.TrailingZeroCount(value) : throw new ArgumentException($"{name} is a power of two");

    private static ulong Bytes(string value)
    {
        int shift = value.Length == 0 ? 0 : char.ToUpperInvariant(value[^1]) switch { 'K' => 10, 'M' => 20, _ => 0 };
        string digits = shift == 0 ? value : value[..^1];
        return uint.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? (ulong)number << shift : throw new ArgumentException($"{value} is no size");
    }
}
