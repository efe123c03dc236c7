// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

/// <summary>Stores that somebody spoilt.</summary>
internal abstract partial class CowFormatContract
{
    [Test]
    public void ASpoiltBitIsRefusedOrHarmless()
    {
        byte[] good = GoodStore();
        Random random = new(1);
        for (int i = 0; i < 3000; i++)
        {
            byte[] spoilt = [.. good];
            int at = i < 512 ? i / 8 : random.Next(Format.MetadataBytes);
            spoilt[at] ^= (byte)(1 << (i % 8));
            OpenAndWalk(spoilt, () => $"byte {at}, bit {i % 8}");
        }
    }

    [Test]
    public void GarbageIsRefusedOrHarmless()
    {
        byte[] good = GoodStore();
        Random random = new(2);
        for (int i = 0; i < 500; i++)
        {
            byte[] spoilt = [.. good];
            int at = random.Next(Format.MetadataBytes - 64);
            random.NextBytes(spoilt.AsSpan(at, random.Next(1, 64)));
            OpenAndWalk(spoilt, () => $"garbage {i} at {at}");
        }
    }

    [Test]
    public void ATruncatedStoreIsRefusedOrHarmless()
    {
        byte[] good = GoodStore();
        for (int length = 0; length < good.Length; length += 1 + (length / 50))
        {
            OpenAndWalk(good[..length], () => $"{length} bytes");
        }
    }

    private byte[] GoodStore()
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        Random random = new(7);
        for (int i = 0; i < 8; i++)
        {
            disk.Write((ulong)random.Next((int)Format.DiskSectors - 30), 30);
            disk.Flush(random);
        }
        return medium.Bytes;
    }

    private void OpenAndWalk(byte[] bytes, Func<string> what)
    {
        try
        {
            using ICowFormat store = Format.Driver.Open(Format.FilesOn(new MemoryFile(bytes)), new OpenOptions(Format.DiskBytes, null, ReadOnly: false));
            RequireOnePlaceEach(store);
            store.Check();
        }
        catch (ImageFormatException)
        {
            return;
        }
        catch (EndOfStreamException) when (bytes.Length < Format.MediumBytes && Format.FilesOn(new MemoryFile(bytes)).Metadata is not null)
        {
            // The slices that stand for several devices do not know that the medium became shorter.
            return;
        }
        catch (Exception e) when (e is not AssertionException)
        {
            Assert.Fail($"{what()}: {e}");
        }
    }

    private void RequireOnePlaceEach(ICowFormat store)
    {
        HashSet<Place> places = [];
        long length = Format.FilesOn(new MemoryFile(Format.MediumBytes)).Store.Length;
        for (ulong chunk = 0; chunk < Format.Chunks;)
        {
            Extent extent = store.Lookup(chunk, ulong.MaxValue);
            Assert.That(extent.Run.Chunk, Is.EqualTo(chunk));
            Assert.That(extent.Run.Count, Is.GreaterThan(0));
            for (ulong i = 0; i < extent.Run.Count && extent.Kind == ExtentKind.Overlay; i++)
            {
                Place place = extent.Place with { Sector = extent.Place.Sector + (i * store.Info.ChunkSectors) };
                ulong sectors = Math.Min(store.Info.ChunkSectors, Format.DiskSectors - ((chunk + i) * store.Info.ChunkSectors));
                if ((long)(place.Sector + sectors) * 512 > length || !places.Add(place))
                {
                    Assert.Fail($"{place} twice, or outside the store");
                }
            }
            chunk = extent.Run.End;
            if (store.Info.ChunkSectors != Format.ChunkSectors)
            {
                return;
            }
        }
    }
}
