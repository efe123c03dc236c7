// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Bitmap;

/// <summary>The contract, with the bitmap on a device of its own, over two layers.</summary>
[TestFixture]
internal sealed class BitmapStackContractTests : CowFormatContract
{
    protected override FormatUnderTest Format { get; } = new BitmapStackUnderTest();
}
