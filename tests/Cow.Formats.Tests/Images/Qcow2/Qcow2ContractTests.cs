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

    protected override IReadOnlyList<ImageVariant> Variants => Qcow2Variants.All;

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
