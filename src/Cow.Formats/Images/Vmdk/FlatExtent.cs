// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vmdk;

/// <summary>An extent whose sectors are in its file as they are. It is always placed, throughout.</summary>
internal sealed class FlatExtent(ulong bytes, int file, long start) : VmdkExtent(bytes, file)
{
    public override ImageExtent Lookup(ulong offset, ulong length) => new(length, ImageExtentKind.Data, FileIndex, start + (long)offset);
}
