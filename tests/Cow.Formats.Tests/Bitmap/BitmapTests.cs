// SPDX-License-Identifier: MIT
using System.Text;
using Cow.Formats.Bitmap;

namespace Cow.Formats.Tests.Bitmap;

/// <summary>What the bitmap format has beside the contract.</summary>
[TestFixture]
internal sealed class BitmapTests
{
    private const ulong DiskBytes = 10_000 * 512;

    private static readonly IFormatDriver Driver = FormatRegistry.Find("bitmap")!;

    [Test]
    public void AStoreIsAHeaderABitmapAndTheDisk()
    {
        using MemoryFile file = new((long)Driver.Estimate(new CreateOptions(DiskBytes, 1)).TotalBytes);
        using ICowFormat store = Driver.Create(new FormatFiles(file), new CreateOptions(DiskBytes, 1));
        Assert.That(Encoding.ASCII.GetString(file.Bytes, 0, 8), Is.EqualTo("dmcowmap"));
        Assert.That(Convert.ToHexString(file.Bytes, 8, 40), Is.EqualTo("01000000" + "00000000" + "01000000" + "00000000" + "00204E0000000000" + "0020000000000000" + "0100000000000000"));
        Assert.That(file.Length, Is.EqualTo(8192 + (long)DiskBytes));

        store.Commit([store.Allocate(new ChunkRun(4095, 3)).Placed]);
        Assert.That(store.Lookup(4095, 10).Place.Sector, Is.EqualTo(16 + 4095));
        Assert.That((file.Bytes[4096 + 511], file.Bytes[4096 + 512]), Is.EqualTo(((byte)0x80, (byte)3)));
        Assert.That(file.Bytes.AsSpan(4096 + 513).ContainsAnyExcept((byte)0), Is.False);
    }

    [Test]
    public void TheChecksumIsCrc32C() => Assert.That(BitmapHeader.Checksum("123456789"u8), Is.EqualTo(0xe3069283));

    [Test]
    public void AChunkReadsFromTheNewestLayerThatHasIt()
    {
        LayerFiles[] levels = [.. Enumerable.Range(0, 3).Select(_ => new LayerFiles(new MemoryFile((long)DiskBytes), new MemoryFile(8192)))];
        Commit(levels, 0, new ChunkRun(0, 10));
        Commit(levels, 1, new ChunkRun(5, 10));
        using ICowFormat top = Create(levels, 2);
        Assert.That(top.Lookup(0, 100), Is.EqualTo(new Extent(new ChunkRun(0, 5), ExtentKind.Layer, new Place(0, 0))));
        Assert.That(top.Lookup(5, 100), Is.EqualTo(new Extent(new ChunkRun(5, 10), ExtentKind.Layer, new Place(1, 5))));
        Assert.That(top.Lookup(15, 100), Is.EqualTo(new Extent(new ChunkRun(15, 100), ExtentKind.Base, default)));
        Assert.That(top.Allocate(new ChunkRun(3, 100)).Source, Is.EqualTo(new Extent(new ChunkRun(3, 2), ExtentKind.Layer, new Place(0, 3))));
        Assert.That(top.Info.Layers, Is.EqualTo(2));
    }

    [Test]
    public void ALayerThatChangedIsRefused()
    {
        LayerFiles[] levels = [.. Enumerable.Range(0, 3).Select(_ => new LayerFiles(new MemoryFile((long)DiskBytes), new MemoryFile(8192)))];
        Commit(levels, 0, new ChunkRun(0, 10));
        Commit(levels, 1, new ChunkRun(5, 10));
        Create(levels, 2).Dispose();
        Open(levels, 0, 1, 2).Dispose();
        Assert.That(() => Open(levels, 1, 0, 2), Throws.InstanceOf<ImageFormatException>(), "layers exchanged");
        Assert.That(() => Open(levels, 0, 2), Throws.InstanceOf<ImageFormatException>(), "a layer missing");
        Assert.That(() => Open(levels, 2), Throws.InstanceOf<ImageFormatException>(), "all layers missing");
        ((MemoryFile)levels[0].Metadata!).Bytes[4096 + 100] ^= 1;
        Assert.That(() => Open(levels, 0, 1, 2), Throws.InstanceOf<ImageFormatException>(), "written after it was frozen");
    }

    [Test]
    public void AStoreThatIsTooSmallIsRefused()
    {
        using MemoryFile file = new(8192 + (long)DiskBytes - 1);
        Assert.That(() => Driver.Create(new FormatFiles(file), new CreateOptions(DiskBytes, 1)), Throws.InstanceOf<ImageFormatException>());
    }

    [Test]
    public void ABitBeyondTheEndIsRefused()
    {
        using MemoryFile file = new(8192 + (long)DiskBytes);
        Driver.Create(new FormatFiles(file), new CreateOptions(DiskBytes, 1)).Dispose();
        file.Bytes[4096 + (10_000 / 8)] = 1;
        Assert.That(() => Driver.Open(new FormatFiles(file), new OpenOptions(DiskBytes, null, ReadOnly: true)), Throws.InstanceOf<ImageFormatException>());
    }

    /// <summary>Where the last line of the table had gone, a kernel that is granted the range once more does not know which places are bad.</summary>
    [Test]
    public void APlaceThatTheKernelTriesAgainIsAsGoodAsThatTellsIt()
    {
        using MemoryFile file = new(8192 + (long)DiskBytes);
        using IGrantingFormat store = (IGrantingFormat)Driver.Create(new FormatFiles(file), new CreateOptions(DiskBytes, 1));
        PlacedRun placed = store.Allocate(new ChunkRun(5, 3)).Placed;
        store.Abandon(new ChunkRun(6, 1));
        store.Take([placed]);
        store.Abandon(new ChunkRun(6, 1));
        Assert.That((store.IsGivenUp(5), store.IsGivenUp(6), store.IsGivenUp(7)), Is.EqualTo((false, true, false)));
        store.Take([placed]);
        store.Commit([placed]);
        Assert.That((store.IsGivenUp(6), store.Allocate(placed.Run).Placed), Is.EqualTo((false, placed)));
    }

    private static void Commit(LayerFiles[] levels, int level, ChunkRun run)
    {
        using ICowFormat store = Create(levels, level);
        for (ulong chunk = run.Chunk; chunk < run.End;)
        {
            PlacedRun placed = store.Allocate(new ChunkRun(chunk, run.End - chunk)).Placed;
            store.Commit([placed]);
            chunk = placed.Run.End;
        }
    }

    private static ICowFormat Create(LayerFiles[] levels, int level) =>
        Driver.Create(new FormatFiles(levels[level].Store, levels[level].Metadata, levels[..level]), new CreateOptions(DiskBytes, 1));

    private static ICowFormat Open(LayerFiles[] levels, params int[] order) =>
        Driver.Open(
            new FormatFiles(levels[order[^1]].Store, levels[order[^1]].Metadata, [.. order[..^1].Select(i => levels[i])]),
            new OpenOptions(DiskBytes, null, ReadOnly: false));
}
