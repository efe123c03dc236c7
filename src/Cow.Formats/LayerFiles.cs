// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats;

/// <summary>The files of a read-only layer. They are never written.</summary>
/// <param name="Store">Where the layer's data is.</param>
/// <param name="Metadata">Its metadata, or null where that is on <paramref name="Store"/>.</param>
public sealed record LayerFiles(IImageFile Store, IImageFile? Metadata);
