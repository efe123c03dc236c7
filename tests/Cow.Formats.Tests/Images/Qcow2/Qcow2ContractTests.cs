// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

/// <summary>What holds for every format, in the variants of qcow2 that keep every chunk where there is room.</summary>
[TestFixture]
internal sealed class Qcow2ContractTests : ImageFormatContract
{
    protected override IImageDriver Driver { get; } = new Qcow2Driver();

    protected override IReadOnlyList<ImageVariant> Variants { get; } =
    [
        new("", 3 << 20),
        new("cluster_size=512", 700 * 512),
        new("cluster_size=512,refcount_bits=64", 2 << 20, 1 << 20),
        new("cluster_size=4K,refcount_bits=1", (1 << 20) + 1536),
        new("cluster_size=2M", 5 << 20, 3 << 20),
        new("compat=0.10,cluster_size=4K", 1 << 20),
        new("compat=0.10,cluster_size=4K", 1 << 20, 2 << 20),
        new("cluster_size=16K,extended_l2=on", 3 << 20, 2 << 20),
        new("cluster_size=64K,extended_l2=on", (3 << 20) + 512),
        new("cluster_size=4K,lazy_refcounts=on", 1 << 20, 1 << 20, "qcow2") { SoundBeforeRepair = false },
        new("cluster_size=4K,refcount_bits=8,compression_type=zstd", 1 << 20, 700 * 512, "qcow2"),
        new("cluster_size=4K,refcount_bits=2", 1 << 20),
        new("cluster_size=4K,data_file={image}.data", 1 << 20, 700 * 512) { QemuSettings = null, FurtherFiles = ["{image}.data"] },
    ];

    protected override bool TakeSnapshot(ImageSource image, ImageVariant variant, string name)
    {
        if (variant.Settings.Contains("data_file", StringComparison.Ordinal) || variant.Settings.Contains("refcount_bits=1", StringComparison.Ordinal) || variant.Settings.Contains("refcount_bits=2", StringComparison.Ordinal))
        {
            return false;
        }
        using ISnapshotImage opened = (ISnapshotImage)Driver.Open(image, new ImageOpenOptions(Writable: true));
        opened.TakeSnapshot(name);
        opened.Close();
        return true;
    }
}
