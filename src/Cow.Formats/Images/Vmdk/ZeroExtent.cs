// SPDX-License-Identifier: MIT
namespace Cow.Formats.Images.Vmdk;

/// <summary>An extent of zeros, without a file.</summary>
internal sealed class ZeroExtent(ulong bytes) : VmdkExtent(bytes, 0)
{
    public override string ReadOnlyReason => "it has an extent of zeros, which has no file to write to";

    public override long UsedBytes => 0;

    public override ImageExtent Lookup(ulong offset, ulong length) => new(length, ImageExtentKind.Zero);
}
