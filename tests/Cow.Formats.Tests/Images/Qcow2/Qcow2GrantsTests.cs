// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

[TestFixture]
internal sealed class Qcow2GrantsTests : ImageGrantsContract
{
    protected override IImageDriver Driver { get; } = new Qcow2Driver();

    protected override IReadOnlyList<ImageVariant> Variants => Qcow2Variants.Granting;

    [Test]
    public void WhereThePlaceFollowsFromTheChunkNothingIsReservedAhead()
    {
        foreach (ImageVariant variant in Qcow2Variants.NotGranting)
        {
            using ImageDisk disk = NewDisk(new MemoryFiles(), variant);
            Assert.That(disk.Chain.Grants, Is.False, variant.ToString());
        }
    }
}
