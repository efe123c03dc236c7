// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>Ways to make a qcow2 image.</summary>
internal static class Qcow2Variants
{
    public static IReadOnlyList<ImageVariant> All { get; } =
    [
        new("", 3 << 20) { DiscardBytes = 65536 },
        new("cluster_size=512", 700 * 512) { DiscardBytes = 512 },
        new("cluster_size=512,refcount_bits=64", 2 << 20, 1 << 20) { DiscardBytes = 512 },
        new("cluster_size=4K,refcount_bits=1", (1 << 20) + 1536) { DiscardBytes = 4096 },
        new("cluster_size=2M", 5 << 20, 3 << 20) { DiscardBytes = 2 << 20 },
        new("compat=0.10,cluster_size=4K", 1 << 20),
        new("compat=0.10,cluster_size=4K", 1 << 20, 2 << 20),
        new("cluster_size=16K,extended_l2=on", 3 << 20, 2 << 20) { DiscardBytes = 16384 },
        new("cluster_size=64K,extended_l2=on", (3 << 20) + 512) { DiscardBytes = 65536 },
        new("cluster_size=4K,lazy_refcounts=on", 1 << 20, 1 << 20, "qcow2") { SoundBeforeRepair = false, DiscardBytes = 4096 },
        new("cluster_size=4K,refcount_bits=8,compression_type=zstd", 1 << 20, 700 * 512, "qcow2") { DiscardBytes = 4096 },
        new("cluster_size=4K,refcount_bits=2", 1 << 20) { DiscardBytes = 4096 },
        new("cluster_size=4K,data_file={image}.data", 1 << 20, 700 * 512) { QemuSettings = null },
        new("cluster_size=4K,data_file={image}.data,data_file_raw=on", (1 << 20) + 512) { QemuSettings = null },
    ];

    /// <summary>Those in which a cluster is at any place.</summary>
    public static IReadOnlyList<ImageVariant> Granting { get; } = [.. All.Where(Grants)];

    /// <summary>Those in which the place of a chunk follows from its cluster's, or from the chunk.</summary>
    public static IReadOnlyList<ImageVariant> NotGranting { get; } = [.. All.Where(variant => !Grants(variant))];

    private static bool Grants(ImageVariant variant) =>
        !variant.Settings.Contains("extended_l2", StringComparison.Ordinal) && !variant.Settings.Contains("data_file", StringComparison.Ordinal);
}
