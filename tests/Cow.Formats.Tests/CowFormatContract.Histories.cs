// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests;

/// <summary>Random histories, with power cut at every point of them and every operation failing.</summary>
internal abstract partial class CowFormatContract
{
    private const int Steps = 60;

    [Test]
    public void AnyHistoryReadsWhatWasWritten([Range(1, 40)] int seed)
    {
        MemoryFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        Random random = new(seed);
        for (int i = 0; i < Steps; i++)
        {
            Step(disk, random);
        }
        RequireExact(disk);
        disk.Flush(random);
        Assert.That(disk.Store.Check().PlacedChunks, Is.EqualTo(disk.Store.Usage.PlacedChunks));
        CowDisk after = Reopened(disk, medium);
        Assert.That(after.Versions, Is.EqualTo(disk.Versions));
        RequireOnePlaceEach(after.Store);
    }

    [Test]
    public void PowerMayFailAtAnyPoint([Range(1, 4)] int seed)
    {
        using CrashFile medium = new(Format.MediumBytes);
        CowDisk disk = NewDisk(medium);
        Random random = new(seed);
        List<(int Position, ulong[] Durable)> promises = [(medium.Position, disk.Durable)];
        for (int i = 0; i < Steps; i++)
        {
            Step(disk, random);
            if (disk.Durable != promises[^1].Durable)
            {
                promises.Add((medium.Position, disk.Durable));
            }
        }
        TestContext.Out.WriteLine($"seed {seed}: {medium.Position - promises[0].Position} points");
        for (int position = promises[0].Position; position <= medium.Position; position++)
        {
            ulong[] durable = promises.FindLast(p => p.Position <= position).Durable;
            RequireSurvival(medium.CutPower(position, random), durable, disk, random);
        }
    }

    [Test]
    public void PowerMayFailWhileAStoreIsMade([Range(1, 5)] int seed)
    {
        using CrashFile medium = new(Format.MediumBytes);
        Format.Prepare(medium);
        int prepared = medium.Position;
        NewDisk(medium).Write(0, 40);
        new CowDisk(Format, medium).Create();
        for (int position = prepared; position <= medium.Position; position++)
        {
            MemoryFile left = medium.CutPower(position, new Random(seed));
            FormatFiles files = Format.FilesOn(left);
            if (Format.Driver.Probe(files.Metadata ?? files.Store))
            {
                CowDisk disk = new(Format, left);
                disk.Open();
                RequireExact(disk);
            }
        }
    }

    [Test]
    public void AnyOperationMayFail()
    {
        for (int n = 1; ; n++)
        {
            MemoryFile medium = new(Format.MediumBytes);
            NewDisk(medium);
            using FaultyFile faulty = new(medium, n);
            CowDisk disk = new(Format, faulty);
            Random random = new(1);
            try
            {
                disk.Open();
                for (int i = 0; i < Steps / 3; i++)
                {
                    Step(disk, random);
                }
            }
            catch (IOException)
            {
                RequireNoWriteAfterFailure(disk);
            }
            CowDisk after = Reopened(disk, medium);
            after.Write(0, 40);
            after.Flush(random);
            RequireExact(Reopened(after, medium));
            if (!faulty.Failed)
            {
                Assert.That(n, Is.GreaterThan(50));
                return;
            }
        }
    }

    private static void RequireNoWriteAfterFailure(CowDisk disk)
    {
        if (disk.Store is null)
        {
            return;
        }
        Assert.That(() => disk.Store.Flush(), Throws.InstanceOf<IOException>());
        Assert.That(() => disk.Store.Commit([]), Throws.InstanceOf<IOException>());
        Assert.That(() => disk.Store.Lookup(0, 1), Throws.Nothing);
    }

    private void RequireSurvival(MemoryFile medium, ulong[] durable, CowDisk before, Random random)
    {
        CowDisk disk = new(Format, medium);
        disk.Open();
        disk.AcceptWhatIsThere();
        RequireNothingLost(disk.Versions, durable);
        disk.EverPlaced.UnionWith(before.EverPlaced);
        // Only further writes bring to life what a torn one left behind.
        for (int i = 0; i < 6; i++)
        {
            disk.Write((ulong)random.Next((int)Format.DiskSectors - 40), 40);
            disk.Flush(random);
        }
        CowDisk after = Reopened(disk, medium);
        Assert.That(after.Versions, Is.EqualTo(disk.Versions));
        RequireOnePlaceEach(after.Store);
    }

    private void Step(CowDisk disk, Random random)
    {
        ulong first = (ulong)random.Next((int)Format.DiskSectors);
        ulong count = Math.Min((ulong)random.Next(1, 50), Format.DiskSectors - first);
        switch (random.Next(12))
        {
            case 0 or 1:
                disk.Flush(random);
                break;
            case 2:
                disk.Open(adopt: true);
                break;
            case 3:
                disk.AllocateAndAbandon(first / Format.ChunkSectors);
                break;
            default:
                disk.Write(first, count);
                break;
        }
    }
}
