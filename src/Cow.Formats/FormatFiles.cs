// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats;

/// <summary>The files that a store lives in. The caller opens and closes them; a format never disposes a file.</summary>
/// <param name="Store">Where the data of changed chunks is: device 0 of every <see cref="Place"/> of kind <see cref="ExtentKind.Overlay"/>.</param>
/// <param name="Metadata">A file of its own for the metadata, or null where it is on <paramref name="Store"/>. Formats that know no such file refuse one.</param>
/// <param name="Layers">Read-only layers from the base upwards: the first lies directly on the base, the last directly under the store.</param>
public sealed record FormatFiles(IImageFile Store, IImageFile? Metadata, IReadOnlyList<LayerFiles> Layers)
{
    /// <summary>One file that holds all, no layers.</summary>
    /// <param name="store">The file or device.</param>
    public FormatFiles(IImageFile store)
        : this(store, null, [])
    {
    }
}
