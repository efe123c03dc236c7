// SPDX-License-Identifier: MIT
namespace Cow.Formats;

/// <summary>Where data is: a device of the format and a sector on it.</summary>
/// <param name="Device">Index into the format's own devices: 0 is the store that it was opened on, others are its further data files
/// (of <see cref="ExtentKind.Overlay"/>) or its layers (of <see cref="ExtentKind.Layer"/>).</param>
/// <param name="Sector">Offset in sectors of 512 bytes.</param>
public readonly record struct Place(int Device, ulong Sector);
