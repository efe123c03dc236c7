// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vhd;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vhd;

/// <summary>Files that are nearly all hole: what is read of them, and remembered, follows what is really there.</summary>
[TestFixture]
internal sealed class GiantVhdTests
{
    private const int Sector = 512;
    private const int TableAt = 1536;

    [Test]
    public void ABlockFarOutTakesLittleMemory([Values] bool writable)
    {
        const long Length = 1L << 38;
        const uint BlockBytes = 4096;
        const long Place = Length - Sector - BlockBytes - Sector;
        using HoledFile file = Vhd(Length, BlockBytes, [Place]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckReport report = Open(file, writable).Check();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(report.Errors, Is.Empty);
        Assert.That(report.Leaks, Is.EqualTo(writable ? Array.Empty<string>() : [$"{Place - 2048} bytes in the file belong to no block"]));
    }

    /// <summary>A dynamic disk as long as its blocks, of which each has a place.</summary>
    private static HoledFile Vhd(long length, uint blockBytes, long[] places)
    {
        HoledFile file = new(length);
        ulong disk = (ulong)places.Length * blockBytes;
        ReadOnlySpan<byte> footer = VhdFooter.Make(VhdType.Dynamic, disk, 512, DateTime.UnixEpoch.AddYears(50), Guid.NewGuid()).Raw;
        file.WriteAt(footer, 0);
        file.WriteAt(VhdHeader.Make(TableAt, (uint)places.Length, blockBytes, null), 512);
        byte[] table = new byte[places.Length * 4];
        for (int i = 0; i < places.Length; i++)
        {
            WriteUInt32BigEndian(table.AsSpan(i * 4), (uint)(places[i] / Sector));
        }
        file.WriteAt(table, TableAt);
        file.WriteAt(footer, length - VhdFooter.Bytes);
        return file;
    }

    private static IDiskImage Open(HoledFile file, bool writable = false) =>
        new VhdDriver().Open(new MemoryFiles(_ => file).New("image"), new ImageOpenOptions(writable));
}
