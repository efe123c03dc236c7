// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Qcow2;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Random chains: mixed chunk sizes, images of any length, data in pieces.</summary>
[TestFixture]
internal sealed class ImageChainTests
{
    private const int FileSectors = 4000;

    [Test]
    public void AChainReadsAsItsLayersLaidOverEachOther([Range(1, 60)] int seed)
    {
        Random random = new(seed);
        List<(StubImage Image, byte[] File, (ImageExtentKind Kind, long Offset)[] Map)> levels =
            [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => NewLevel(random, seed % 3 == 0 ? 3 : 1))];
        using ImageChain chain = new([.. levels.Select(l => l.Image)], writable: false);
        byte[] model = new byte[levels[0].Map.Length * 512];
        for (int sector = 0; sector < levels[0].Map.Length; sector++)
        {
            SectorOf(levels, sector).CopyTo(model, sector * 512);
        }

        byte[] all = new byte[model.Length];
        chain.ReadAt(0, all);
        Assert.That(all.AsSpan().SequenceEqual(model), Is.True);
        int chunkBytes = (int)chain.Info.ChunkSectors * 512;
        int chunks = (model.Length + chunkBytes - 1) / chunkBytes;
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            ulong limit = (ulong)random.Next(1, 40);
            Extent extent = chain.Lookup((ulong)chunk, limit);
            Assert.That(extent.Run.Count, Is.InRange(1UL, Math.Min(limit, (ulong)(chunks - chunk))));
            RequireSame(chain, extent, model, chunkBytes);
        }
        for (int i = 0; i < 100; i++)
        {
            RequireSame(chain, chain.Lookup((ulong)random.Next(chunks), (ulong)random.Next(1, 40)), model, chunkBytes);
        }
        Assert.That(() => chain.Lookup((ulong)chunks, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void AChunkInTwoPiecesIsOpaque()
    {
        using ImageChain chain = Chain([.. Places(0, 4), .. Places(100, 4), .. Places(104, 8)], chunkSectors: 8);
        Assert.That(chain.Lookup(0, 1), Is.EqualTo(new Extent(new ChunkRun(0, 1), ExtentKind.Opaque, default)));
        Assert.That(chain.Lookup(1, 1), Is.EqualTo(new Extent(new ChunkRun(1, 1), ExtentKind.Overlay, new Place(0, 104))));
    }

    /// <summary>The kernel maps no place that its device has not. Nor is there a device for the last bytes of a file that are no sector.</summary>
    [Test]
    public void APlaceOfAnImageThatIsOnlyReadEndsWithItsFile()
    {
        byte[] file = new byte[(20 * 512) + 100];
        file.AsSpan().Fill(1);
        using ImageChain chain = new([new StubImage(Places(0, 40), new CachedFile(new MemoryFile(file), new MetadataCache()), 8, 1 << 20)], writable: false);
        Assert.That(chain.Lookup(0, 100), Is.EqualTo(new Extent(new ChunkRun(0, 2), ExtentKind.Overlay, new Place(0, 0))));
        Assert.That(chain.Lookup(2, 100), Is.EqualTo(new Extent(new ChunkRun(2, 1), ExtentKind.Opaque, default)));
        Assert.That(chain.Lookup(3, 100), Is.EqualTo(new Extent(new ChunkRun(3, 2), ExtentKind.Zero, default)));
        byte[] chunk = new byte[8 * 512];
        chain.Read(2, chunk);
        Assert.That(chunk.AsSpan().LastIndexOf((byte)1), Is.EqualTo((4 * 512) + 99));
    }

    /// <summary>Images below one that is written are only read.</summary>
    [Test]
    public void SoDoesOneOfAnImageBelow()
    {
        byte[] file = new byte[(4 * 512) + 100];
        file.AsSpan().Fill(1);
        StubImage Of((ImageExtentKind, long)[] map, byte[] bytes) => new(map, new CachedFile(new MemoryFile(bytes), new MetadataCache()), 4, 16);
        (ImageExtentKind, long)[] nothing = [.. Enumerable.Repeat((ImageExtentKind.Below, 0L), 16)];
        using ImageChain chain = new([Of(nothing, new byte[512]), Of(Places(0, 16), file)], writable: true);
        Assert.That(chain.Lookup(0, 100), Is.EqualTo(new Extent(new ChunkRun(0, 1), ExtentKind.Layer, new Place(0, 0))));
        Assert.That(chain.Lookup(1, 100), Is.EqualTo(new Extent(new ChunkRun(1, 1), ExtentKind.Opaque, default)));
        Assert.That(chain.Lookup(2, 100), Is.EqualTo(new Extent(new ChunkRun(2, 2), ExtentKind.Zero, default)));
    }

    [Test]
    public void NeighboursAreOneAnswer()
    {
        using ImageChain chain = Chain([.. Places(8, 24)], chunkSectors: 8, table: 3);
        Assert.That(chain.Lookup(0, 100), Is.EqualTo(new Extent(new ChunkRun(0, 3), ExtentKind.Overlay, new Place(0, 8))));
        Assert.That(chain.Lookup(0, 2).Run.Count, Is.EqualTo(2));
    }

    [Test]
    public void AnImageThatHasNothingThereIsAskedOnce()
    {
        const int Sectors = 1000;
        StubImage Empty() => new([.. Enumerable.Repeat((ImageExtentKind.Below, 0L), Sectors)], new CachedFile(new MemoryFile(512), new MetadataCache()), 1, Sectors);
        StubImage pieces = new(
            [.. Enumerable.Range(0, Sectors).Select(static i => (i % 2 == 0 ? ImageExtentKind.Zero : ImageExtentKind.Shared, i % 2 * 512L))],
            new CachedFile(new MemoryFile(1024), new MetadataCache()), 1, Sectors);
        StubImage[] images = [Empty(), Empty(), pieces];
        using ImageChain chain = new(images, writable: false);
        for (ulong chunk = 0; chunk < Sectors;)
        {
            chunk = chain.Lookup(chunk, ulong.MaxValue).Run.End;
        }
        Assert.That(images[..2].Select(static image => image.Lookups), Is.All.EqualTo(1));
    }

    /// <summary>A chain may be 64 images long, and the top one have an extent for each sector.</summary>
    [Test]
    public void ImagesBelowSmallExtentsAreNotAskedForEach()
    {
        const int Sectors = 8192;
        StubImage Of(Func<int, (ImageExtentKind, long)> sector) => new([.. Enumerable.Range(0, Sectors).Select(sector)], new CachedFile(new MemoryFile(Sectors * 512), new MetadataCache()), 1, Sectors);
        StubImage[] images =
        [
            Of(static i => (i % 2 == 0 ? ImageExtentKind.Zero : ImageExtentKind.Below, 0)),
            Of(static _ => (ImageExtentKind.Below, 0)),
            Of(static i => (i < Sectors / 2 ? ImageExtentKind.Below : ImageExtentKind.Data, i * 512L)),
            Of(static i => (ImageExtentKind.Data, i * 512L)),
        ];
        using ImageChain chain = new(images, writable: false);
        for (ulong chunk = 0; chunk < Sectors; chunk++)
        {
            Extent extent = chain.Lookup(chunk, ulong.MaxValue);
            Assert.That(extent.Kind, Is.EqualTo(chunk % 2 == 0 ? ExtentKind.Zero : ExtentKind.Layer));
            Assert.That(extent.Kind == ExtentKind.Zero || extent.Place == new Place(chunk < Sectors / 2 ? 2 : 1, chunk), Is.True);
        }
        Assert.That(images[1..].Select(static image => image.Lookups), Is.All.LessThan(Sectors / 100));
    }

    /// <summary>That it had nothing for a while is not remembered any more.</summary>
    [Test]
    public void ATopThatChangesIsAskedAgain([Values] bool zeroed)
    {
        const ulong Size = 1 << 20;
        const ulong Middle = Size / 2;
        const ulong Cluster = 65536;
        IDiskImage top = new Qcow2Driver().Create(new MemoryFiles().New("top"), new ImageCreateOptions(Size, new BackingReference(["base"], "raw", null, 0), new Dictionary<string, string>()));
        using ImageChain chain = new([top, new StubImage(Places(0, (int)Size / 512), new CachedFile(new MemoryFile((int)Size), new MetadataCache()), 1, 1 << 20)], writable: true);
        Assert.That(LevelAt(chain, 0), Is.EqualTo(1));
        ChunkRun changed = new(Middle / Cluster, 1);
        if (zeroed)
        {
            chain.TryZero(changed);
        }
        else
        {
            PlacedRun placed = chain.Allocate(changed).Placed;
            ((CachedFile)top.Info.Files[0]).Uncached.WriteAt(new byte[Cluster], (long)placed.Place.Sector * 512);
            chain.Commit([placed]);
        }
        chain.Flush();
        Assert.That(LevelAt(chain, Middle), Is.Zero);
        Assert.That((LevelAt(chain, 0), LevelAt(chain, Middle + Cluster), LevelAt(chain, Middle)), Is.EqualTo((1, 1, 0)));
    }

    private static int LevelAt(ImageChain chain, ulong offset)
    {
        chain.Find(offset, chain.Info.VirtualSize!.Value - offset, out int level);
        return level;
    }

    [Test]
    public void AReadOnlyChainPlacesNothing()
    {
        using ImageChain chain = Chain([.. Places(0, 8)], chunkSectors: 8);
        Assert.That(() => chain.Allocate(new ChunkRun(0, 1)), Throws.InvalidOperationException);
        Assert.That(() => chain.Commit([]), Throws.InvalidOperationException);
        Assert.That(chain.Close, Throws.InvalidOperationException);
    }

    [Test]
    public void LookingUpLeavesNoGarbage()
    {
        (StubImage top, _, _) = NewLevel(new Random(1));
        (StubImage below, _, _) = NewLevel(new Random(2));
        using ImageChain chain = new([top, below], writable: false);
        ulong chunks = (chain.Info.VirtualSize!.Value - 1) / ((ulong)chain.Info.ChunkSectors * 512);
        long bytes = Garbage.Of(() =>
        {
            for (ulong chunk = 0; chunk < chunks; chunk++)
            {
                chain.Lookup(chunk, 16);
            }
        });
        Assert.That(bytes, Is.Zero);
    }

    private static (ImageExtentKind, long)[] Places(int sector, int count) =>
        [.. Enumerable.Range(sector, count).Select(s => (ImageExtentKind.Data, s * 512L))];

    private static ImageChain Chain((ImageExtentKind, long)[] map, uint chunkSectors, int table = 1000) =>
        new([new StubImage(map, new CachedFile(new MemoryFile(FileSectors * 512), new MetadataCache()), chunkSectors, table)], writable: false);

    private static (StubImage Image, byte[] File, (ImageExtentKind Kind, long Offset)[] Map) NewLevel(Random random, int scale = 1)
    {
        byte[] file = new byte[(FileSectors * 512) - random.Next(100_000)];
        random.NextBytes(file);
        var map = new (ImageExtentKind, long)[random.Next(500 * scale, 1000 * scale)];
        for (int sector = 0; sector < map.Length;)
        {
            ImageExtentKind kind = random.Next(10) switch { < 4 => ImageExtentKind.Below, 4 => ImageExtentKind.Zero, 5 => ImageExtentKind.Packed, 6 => ImageExtentKind.Shared, _ => ImageExtentKind.Data };
            long place = kind is ImageExtentKind.Data or ImageExtentKind.Shared ? random.Next(FileSectors - 100) * 512L : 0;
            for (int run = random.Next(1, 60 * scale * scale); run > 0 && sector < map.Length; run--, sector++)
            {
                map[sector] = (kind, place);
                place += place > 0 ? 512 : 0;
            }
        }
        CachedFile cached = new(new MemoryFile(file), new MetadataCache());
        return (new StubImage(map, cached, 1U << random.Next(0, 8), random.Next(1, 300 * scale)), file, map);
    }

    private static byte[] SectorOf(List<(StubImage Image, byte[] File, (ImageExtentKind Kind, long Offset)[] Map)> levels, int sector)
    {
        foreach ((_, byte[] file, (ImageExtentKind Kind, long Offset)[] map) in levels)
        {
            // What is behind the end of a shorter image is zeros, whatever lies below that.
            if (sector >= map.Length || map[sector].Kind == ImageExtentKind.Zero)
            {
                return new byte[512];
            }
            switch (map[sector].Kind)
            {
                case ImageExtentKind.Packed:
                    return [.. file.AsSpan(sector * 512, 512).ToArray().Select(b => (byte)(b ^ 0xff))];
                case ImageExtentKind.Data or ImageExtentKind.Shared:
                    return SectorOf(file, map[sector].Offset);
            }
        }
        return new byte[512];
    }

    private static byte[] SectorOf(byte[] file, long offset)
    {
        byte[] bytes = new byte[512];
        int present = (int)Math.Clamp(file.Length - offset, 0, 512);
        file.AsSpan((int)Math.Min(offset, file.Length), present).CopyTo(bytes);
        return bytes;
    }

    private static void RequireSame(ImageChain chain, Extent extent, byte[] model, int chunkBytes)
    {
        int start = (int)extent.Run.Chunk * chunkBytes;
        byte[] expected = model.AsSpan(start, Math.Min((int)extent.Run.Count * chunkBytes, model.Length - start)).ToArray();
        byte[] data = new byte[expected.Length];
        switch (extent.Kind)
        {
            case ExtentKind.Opaque:
                Assert.That(extent.Run.Count, Is.EqualTo(1));
                chain.Read(extent.Run.Chunk, data);
                break;
            case ExtentKind.Layer or ExtentKind.Overlay or ExtentKind.Shared:
                IReadOnlyList<IImageFile> files = extent.Kind == ExtentKind.Layer ? chain.Layers : chain.Images[0].Info.Files;
                IImageFile file = ((CachedFile)files[extent.Place.Device]).Uncached;
                byte[] source = ((MemoryFile)file).Bytes;
                for (int at = 0; at < data.Length; at += 512)
                {
                    SectorOf(source, ((long)extent.Place.Sector * 512) + at).CopyTo(data, at);
                }
                break;
        }
        Assert.That(data.AsSpan().SequenceEqual(expected), Is.True, () => $"{extent}");
    }
}
