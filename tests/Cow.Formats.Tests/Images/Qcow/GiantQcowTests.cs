// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow;
using static Cow.Formats.Tests.Images.Giant;

namespace Cow.Formats.Tests.Images.Qcow;

/// <summary>Images of terabytes in files that are nearly all hole: what is read of them, and remembered, follows what is really there.</summary>
[TestFixture]
internal sealed class GiantQcowTests
{
    /// <summary>A table at the end of a file of exabytes.</summary>
    [Test]
    public void RepairOfQcowTakesLittleMemoryForAHoleOfExabytes()
    {
        using HoledFile file = Qcow(1L << 62);
        long before = GC.GetAllocatedBytesForCurrentThread();
        new QcowDriver().Repair(new MemoryFiles(_ => file).New("image"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(file.Length, Is.LessThan(1 << 20));
        Assert.That(Open(new QcowDriver(), file).Check().Clean, Is.True);
    }

    /// <summary>tmpfs has them.</summary>
    [Test]
    public void AFileThatEndsWithTheNumbersIsRefused([Values(0, 511, 1 << 20)] int less)
    {
        using HoledFile file = Qcow(long.MaxValue - less);
        Assert.That(() => Open(new QcowDriver(), file), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void SecondLevelTablesOfQcowInHolesAreNotRead()
    {
        const int Tables = 1 << 16;
        using HoledFile file = new((1 << 20) + (Tables * 1024L));
        byte[] header = new byte[512];
        new QcowHeader(0, 0, (ulong)Tables << 15, 9, 6, 0, 512, null).Write(header, 0);
        file.WriteAt(header, 0);
        file.WriteAt(Words(Tables, i => (1UL << 20) + ((ulong)i * 1024)), 512);
        IDiskImage image = Open(new QcowDriver(), file);
        Assert.That(image.Check().Errors, Is.Empty);
        Assert.That(FirstExtent(image), Is.EqualTo(image.Info.VirtualBytes));
        Assert.That(file.BytesRead, Is.LessThan(4 << 20));
    }

    /// <summary>A qcow with one table, at the end of the file.</summary>
    private static HoledFile Qcow(long length)
    {
        HoledFile file = new(length);
        byte[] header = new byte[512];
        new QcowHeader(0, 0, 1 << 20, 12, 9, 0, 4096, null).Write(header, 0);
        file.WriteAt(header, 0);
        file.WriteAt(Words(1, _ => (ulong)(length & -4096) - 8192), 4096);
        return file;
    }
}
