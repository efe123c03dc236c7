// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Bitmap;

/// <summary>What was reserved ahead, with bitmap and data on one device.</summary>
[TestFixture]
internal sealed class BitmapGrantsTests : CowGrantsContract
{
    protected override FormatUnderTest Format { get; } = new BitmapUnderTest();
}

/// <summary>What was reserved ahead, over two layers.</summary>
[TestFixture]
internal sealed class BitmapStackGrantsTests : CowGrantsContract
{
    protected override FormatUnderTest Format { get; } = new BitmapStackUnderTest();
}
