// SPDX-License-Identifier: MIT
using Cow.Formats.Images.Qcow2;

namespace Cow.Formats.Tests.Images.Qcow2;

[TestFixture]
internal sealed class RefcountsTests
{
    [Test]
    public void ZerosAreThoseOfARow([Range(0, 6)] int order, [Values(0, 3, 100)] int set)
    {
        Random random = new(order + set);
        byte[] row = new byte[512];
        int counts = (row.Length * 8) >> order;
        for (int i = 0; i < set; i++)
        {
            Refcounts.SetValue(row, (ulong)random.Next(counts), order, 1UL << random.Next(1 << order));
        }
        int zeros = Enumerable.Range(0, counts).Count(i => Refcounts.Value(row, (ulong)i, order) == 0);
        Assert.That(Refcounts.Zeros(row, order), Is.EqualTo((ulong)zeros));
    }

    [Test]
    public void ACountThatDoesNotFitIsNotWritten([Range(0, 5)] int order)
    {
        byte[] row = new byte[512];
        Assert.That(() => Refcounts.SetValue(row, 0, order, 1UL << (1 << order)), Throws.InstanceOf<Exception>());
        Assert.That(row, Is.All.Zero);
    }
}
