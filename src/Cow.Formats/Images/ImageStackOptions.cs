// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Tables;
using Cow.Formats.Io;

namespace Cow.Formats.Images;

/// <summary>How an image and what it is backed by are opened.</summary>
/// <param name="Writable">The image will be written; what it is backed by never is.</param>
/// <param name="Format">Name of the image's format, or null to go by its magic.</param>
/// <param name="BackingFormat">Name of the format of backing images whose child does not say it, or null to go by their magic: then they may name no
/// further file, and raw is none.</param>
public sealed record ImageStackOptions(bool Writable = false, string? Format = null, string? BackingFormat = null)
{
    /// <summary>As <see cref="ImageOpenOptions.Snapshot"/>, of the topmost image.</summary>
    public string? Snapshot { get; init; }

    /// <summary>As <see cref="ImageOpenOptions.SizeByGeometry"/>, of every image.</summary>
    public bool SizeByGeometry { get; init; }

    /// <summary>The formats that are known.</summary>
    public IReadOnlyList<IImageDriver> Drivers { get; init; } = ImageRegistry.All;

    /// <summary>The names of the formats that are known, for a message.</summary>
    internal string KnownFormats => string.Join(", ", Drivers.Select(driver => driver.Name));

    internal ImageOpenOptions ForTop => new(Writable, Snapshot) { SizeByGeometry = SizeByGeometry, Unpacked = Unpacked };

    internal ImageOpenOptions ForBacking => new(Writable: false) { SizeByGeometry = SizeByGeometry, Unpacked = Unpacked };

    /// <summary>As <see cref="ImageOpenOptions.Unpacked"/>; each chain that is opened has its own.</summary>
    internal UnpackedChunk Unpacked { get; init; } = new();

    /// <summary>The driver of this name, ours or QEMU's, or null.</summary>
    internal IImageDriver? Find(string format) => Drivers.FirstOrDefault(driver => driver.Name == format || driver.QemuName == format);

    /// <summary>The driver whose magic the file bears, or null.</summary>
    internal IImageDriver? Probe(IImageFile file) => Drivers.FirstOrDefault(driver => driver.Probe(file));
}
