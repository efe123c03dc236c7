// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

/// <summary>Valid images that were spoilt somewhere: nothing but an ImageFormatException may come of them.</summary>
internal abstract partial class ImageFormatContract
{
    /// <summary>Disks that are larger are not read as a whole for each mutant.</summary>
    private const ulong SmallDisk = 4 << 20;

    /// <summary>Every so manieth mutant is read and compared as a whole: that takes most of the time.</summary>
    private const int WholeOf = 16;

    /// <summary>Refusals after which no more is read of a mutant: the next one would say the same, and each takes as long as a thousand lookups.</summary>
    private const int MostRefusals = 8;

    /// <summary>Mutants of a format in a run where nobody says how many.</summary>
    private const int MutantsOfFormat = 20_000;

    // What whole disks read: new ones for each mutant would take more time than all the rest.
    private byte[] _model = [];
    private byte[] _content = [];
    private readonly byte[] _buffer = new byte[64 * 1024];

    /// <summary>Further valid images, of which mutants are made too: with what our Create does not make (compressed chunks, snapshots, logs).</summary>
    protected virtual IEnumerable<MutantSeed> FurtherSeeds => [];

    /// <summary>Fixtures over which the mutants of the format are divided.</summary>
    protected virtual int FixturesOfFormat => 1;

    /// <summary>Mutants of this fixture in a run where nobody says how many.</summary>
    protected virtual int Mutants => MutantsOfFormat / FixturesOfFormat;

    /// <summary>Whether <see cref="IDiskImage.Check"/> sees so much that an image without errors may be written and reads as it should.</summary>
    protected virtual bool CleanMeansSafe => true;

    /// <summary>Makes checksums right again, for every second mutant: else few would get past them.</summary>
    protected virtual void FixChecksums(MemoryFiles mutant)
    {
    }

    [Test]
    public void AMutantDoesNoHarm()
    {
        MutantSeed[] seeds = [.. Variants.Select(SeedOf).Concat(FurtherSeeds).Select(seed => seed.Learn(Base, files => LookAround(files, seed.Variant)))];
        int count = Setting("COW_TEST_MUTANTS", Mutants);
        int only = Setting("COW_TEST_MUTANT", -1);
        TestContext.Out.WriteLine($"COW_TEST_SEED={Seed}, {count} mutants of {seeds.Length} images");
        int first = Math.Max(0, only);
        Limits.Run(
            only < 0 ? count : 1,
            i => Try(seeds[(first + i) % seeds.Length], first + i),
            i => $"COW_TEST_SEED={Seed} COW_TEST_MUTANT={first + i}, of {seeds[(first + i) % seeds.Length].Variant}");
    }

    private MutantSeed SeedOf(ImageVariant variant)
    {
        MemoryFiles files = new();
        using ImageDisk disk = NewDisk(files, variant);
        Apply(disk, Draw(new Random(Seed), variant, ChunkBytes(disk), 8), FirstContent(variant));
        disk.Close();
        return new MutantSeed(variant, files.All.ToDictionary(f => f.Key, f => files.Bytes(f.Key)));
    }

    private void LookAround(MemoryFiles files, ImageVariant variant)
    {
        using ImageDisk disk = Open(files, variant, writable: false);
        LookUpAll(disk.Chain, Math.Min(Chunks(disk), 1000));
        disk.Chain.Check();
    }

    private void Try(MutantSeed seed, int number)
    {
        Random random = new(unchecked((Seed * 7) + number));
        MemoryFiles mutant = Make(seed, number, random);
        try
        {
            Memory<byte> model = default;
            Survive(() => model = ReadMutant(mutant.Reopened(), seed.Variant, random, whole: random.Next(WholeOf) == 0));
            Survive(() => WriteMutant(mutant.Reopened(), seed.Variant, model, random));
        }
        catch (Exception e)
        {
            string changes = seed.Describe(Make(seed, number, new Random(unchecked((Seed * 7) + number))));
            throw new AssertionException($"COW_TEST_SEED={Seed} COW_TEST_MUTANT={number}, of {seed.Variant}: {e.GetType().Name}: {e.Message} ({changes})", e);
        }
    }

    private MemoryFiles Make(MutantSeed seed, int number, Random random)
    {
        MemoryFiles mutant = seed.Mutant(random);
        if (number % 2 == 0)
        {
            FixChecksums(mutant);
        }
        return mutant;
    }

    /// <returns>What the whole disk reads, where that is asked for and the check finds no error; else nothing.</returns>
    private Memory<byte> ReadMutant(MemoryFiles files, ImageVariant variant, Random random, bool whole)
    {
        using ImageDisk disk = Open(files, variant, writable: false);
        bool clean = disk.Chain.Check().Errors.Count == 0;
        if (whole && clean && CleanMeansSafe && disk.Length <= SmallDisk)
        {
            return ReadAll(disk, ref _model);
        }
        foreach (string snapshot in disk.Chain.Images[0].Info.Snapshots.Select(s => s.Id).Take(2))
        {
            Survive(() => ReadSome(files.Reopened(), variant, snapshot, random));
        }
        ReadSome(disk.Chain, random);
        return default;
    }

    private void ReadSome(MemoryFiles files, ImageVariant variant, string snapshot, Random random)
    {
        using ImageDisk disk = Open(files, variant, writable: false, snapshot: snapshot);
        ReadSome(disk.Chain, random);
    }

    private void ReadSome(ImageChain chain, Random random)
    {
        ulong bytes = chain.Info.VirtualSize!.Value;
        ulong offset = 0;
        int refusals = 0;
        for (int i = 0; i < 200 && refusals < MostRefusals; i++)
        {
            int most = i % 16 == 0 ? _buffer.Length : 512;
            refusals += Survive(() => chain.ReadAt(offset, _buffer.AsSpan(0, (int)Math.Min((ulong)most, bytes - offset)))) ? 0 : 1;
            ulong at = offset;
            ulong next = (ulong)random.NextInt64((long)bytes / 512) * 512;
            Survive(() => next = i < 150 ? at + chain.Find(at, bytes - at, out _).Length : next);
            offset = next < bytes ? next : 0;
        }
    }

    private void WriteMutant(MemoryFiles files, ImageVariant variant, Memory<byte> model, Random random)
    {
        using (ImageDisk disk = Open(files, variant))
        {
            Span<byte> after = model.IsEmpty ? Room(ref _content, Math.Min(disk.Length, SmallDisk)).Span : model.Span;
            ImageVariant size = variant with { DiskBytes = (ulong)after.Length };
            Apply(disk, Draw(random, size, Math.Min(ChunkBytes(disk), 65536), 6), after);
            disk.Flush();
            if (!model.IsEmpty)
            {
                RequireEqual(ReadAll(disk, ref _content).Span, after, "a clean image, written");
                RequireSound(disk, "a clean image, written", leaks: true);
            }
            disk.Close();
        }
        if (!model.IsEmpty)
        {
            using ImageDisk closed = Open(files.Reopened(), variant, writable: false);
            RequireEqual(ReadAll(closed, ref _content).Span, model.Span, "a clean image, written and closed");
            RequireSound(closed, "a clean image, written and closed", leaks: true);
        }
    }

    private static Memory<byte> ReadAll(ImageDisk disk, ref byte[] room)
    {
        Memory<byte> content = Room(ref room, disk.Length);
        disk.Read(0, content.Span);
        return content;
    }

    private static Memory<byte> Room(ref byte[] room, ulong bytes)
    {
        room = (ulong)room.Length < bytes ? new byte[bytes] : room;
        return room.AsMemory(0, (int)bytes);
    }

    /// <summary>Lets pass what may come of a spoilt image: that it is refused, or that there is no room in it.</summary>
    /// <returns>Whether neither came.</returns>
    private static bool Survive(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (ImageFormatException)
        {
            return false;
        }
        catch (IOException e) when (e.GetType() == typeof(IOException))
        {
            return false;
        }
    }
}
