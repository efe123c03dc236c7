// SPDX-License-Identifier: MIT
using Cow.Formats.Bitmap;
using Cow.Formats.DmSnapshot;
using Cow.Formats.Io;

namespace Cow.Formats;

/// <summary>The formats that there are: an explicit list.</summary>
public static class FormatRegistry
{
    /// <summary>All drivers, in the order in which they are probed. The first is the default on an empty CoW device.</summary>
    public static IReadOnlyList<IFormatDriver> All { get; } = [new DmSnapshotDriver(), new BitmapDriver()];

    /// <summary>The driver of this name, or null.</summary>
    /// <param name="name">Name, as on the command line.</param>
    public static IFormatDriver? Find(string name)
    {
        foreach (IFormatDriver driver in All)
        {
            if (driver.Name == name)
            {
                return driver;
            }
        }
        return null;
    }

    /// <summary>The driver whose magic the file bears, or null.</summary>
    /// <param name="store">The file with the metadata. Of a CoW device only: what a guest can write is never probed.</param>
    public static IFormatDriver? Probe(IImageFile store)
    {
        foreach (IFormatDriver driver in All)
        {
            if (driver.Probe(store))
            {
                return driver;
            }
        }
        return null;
    }
}
