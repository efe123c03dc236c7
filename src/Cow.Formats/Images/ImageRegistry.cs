// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Qcow;
using Cow.Formats.Images.Qcow2;
using Cow.Formats.Images.Raw;
using Cow.Formats.Images.Vhd;
using Cow.Formats.Images.Vhdx;
using Cow.Formats.Images.Vmdk;
using Cow.Formats.Io;

namespace Cow.Formats.Images;

/// <summary>The formats of disk images that there are: an explicit list.</summary>
public static class ImageRegistry
{
    /// <summary>All drivers, in the order in which they are probed.</summary>
    public static IReadOnlyList<IImageDriver> All { get; } = [new Qcow2Driver(), new QcowDriver(), new VmdkDriver(), new VhdxDriver(), new VhdDriver(), new RawDriver()];

    /// <summary>The driver of this name, or null.</summary>
    public static IImageDriver? Find(string name) => All.FirstOrDefault(driver => driver.Name == name);

    /// <summary>The driver whose magic the file bears, or null. Never raw: what bears no magic is nothing that we know.</summary>
    public static IImageDriver? Probe(IImageFile file) => All.FirstOrDefault(driver => driver.Probe(file));
}
