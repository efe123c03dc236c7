// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>What holds for every format, in the variants of qcow2 that keep every chunk where there is room; and once more with places from pools.</summary>
[TestFixture(false)]
[TestFixture(true)]
internal sealed class Qcow2ContractTests(bool pooled) : ImageFormatContract
{
    private static readonly Qcow2Driver Qcow2 = new();

    protected override IImageDriver Driver { get; } = pooled ? new PoolTakingDriver(Qcow2) : Qcow2;

    // Where the places come from makes no difference to what is read.
    protected override int Mutants => pooled ? 100 : base.Mutants;

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
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

    /// <summary>One with a snapshot and compressed clusters.</summary>
    protected override IEnumerable<MutantSeed> FurtherSeeds => [SeedWithAll("cluster_size=4K"), SeedWithAll("cluster_size=16K,extended_l2=on,compression_type=zstd")];

    protected override bool TakeSnapshot(ImageSource image, ImageVariant variant, string name)
    {
        if (variant.Settings.Contains("data_file", StringComparison.Ordinal) || variant.Settings.Contains("refcount_bits=1", StringComparison.Ordinal) || variant.Settings.Contains("refcount_bits=2", StringComparison.Ordinal))
        {
            return false;
        }
        using ISnapshotImage opened = (ISnapshotImage)Qcow2.Open(image, new ImageOpenOptions(Writable: true));
        opened.TakeSnapshot(name);
        opened.Close();
        return true;
    }

    private static MutantSeed SeedWithAll(string settings)
    {
        ImageVariant variant = new(settings, 1 << 20);
        MemoryFiles files = new();
        using ISnapshotImage image = (ISnapshotImage)Qcow2.Create(files.New(Image), new ImageCreateOptions(variant.DiskBytes, null, variant.SettingsFor(Image)));
        IPackingImage packing = (IPackingImage)image;
        byte[] cluster = new byte[packing.PackBytes];
        for (int i = 0; i < 6; i++)
        {
            new Random(i).NextBytes(cluster.AsSpan(0, 700));
            packing.TryWritePacked((ulong)(i * 2 * cluster.Length), cluster);
        }
        image.Flush();
        image.TakeSnapshot("s");
        packing.TryWritePacked((ulong)cluster.Length, cluster);
        image.Close();
        return new MutantSeed(variant, files.All.ToDictionary(f => f.Key, f => files.Bytes(f.Key)));
    }
}
