// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Bitmap;

/// <summary>The contract, with bitmap and data on one device.</summary>
[TestFixture]
internal sealed class BitmapContractTests : CowFormatContract
{
    protected override FormatUnderTest Format { get; } = new BitmapUnderTest();
}
