// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Formats.Tests.Images;

/// <summary>Power that fails, and files that do.</summary>
internal abstract partial class ImageFormatContract
{
    /// <summary>Subsets of what was not flushed that are tried of each history, besides each flush.</summary>
    private const int CutsBetween = 20;

    /// <summary>Operations that are made to fail, of all variants together.</summary>
    private const int Faults = 240;

    private static int CrashHistories(int variants) => Setting("COW_TEST_HISTORIES", 2 * variants);

    [Test]
    public void APowerCutLosesNothingThatWasFlushed()
    {
        for (int history = 0; history < CrashHistories(Variants.Count); history++)
        {
            CrashAndReopen(history, Variants[history % Variants.Count]);
        }
    }

    /// <summary>The n-th operation and all after it fail: nothing but an IOException comes of it, and nothing durable is lost.</summary>
    [Test]
    public void AFailingFileLosesNothingThatWasFlushed()
    {
        for (int history = 0; history < Variants.Count; history++)
        {
            ImageVariant variant = Variants[history];
            MemoryImageFile? below = Below(variant);
            SectorHistory fresh = new(FirstContent(variant));
            int created = 0;
            int operations = RunUntilFault(history, variant, int.MaxValue, fresh.Fresh(), below, ref created).Operations;
            int step = Math.Max(1, (operations - created) * Variants.Count / Faults);
            for (int failing = created + 1; failing <= operations; failing += step)
            {
                SectorHistory told = fresh.Fresh();
                FaultyFiles faulty = RunUntilFault(history, variant, failing, told, below, ref created);
                string what = $"history {history} of {variant}, operation {failing} of {operations} fails";
                RequireSurvived(faulty.Left(), below, variant, told, int.MaxValue - 1, what, askQemu: false);
            }
        }
    }

    /// <summary>What is on the disk then is for whoever opens the image next: not even Close may call it whole.</summary>
    [Test]
    public void AfterACommitThatFailedNothingIsWritten()
    {
        foreach (ImageVariant variant in Variants)
        {
            FaultyFiles sound = new(int.MaxValue);
            using ImageDisk whole = NewDisk(new MemoryFiles(sound.New), variant);
            PlacedRun[] runs = [whole.Chain.Allocate(new ChunkRun(0, 1)).Placed];
            int first = sound.Operations;
            whole.Chain.Commit(runs);
            for (int failing = first + 1; failing <= sound.Operations; failing++)
            {
                FaultyFiles faulty = new(failing);
                using ImageDisk disk = NewDisk(new MemoryFiles(faulty.New), variant);
                disk.Chain.Allocate(new ChunkRun(0, 1));
                Assert.That(() => disk.Chain.Commit(runs), Throws.InstanceOf<IOException>());
                Assert.That(disk.Chain.Close, Throws.InstanceOf<IOException>());
                Assert.That(disk.Chain.Flush, Throws.InstanceOf<IOException>());
                Assert.That(() => disk.Chain.Images[0].Reserve(new ChunkRun(1, 1), out _), Throws.InstanceOf<IOException>());
                Assert.That(faulty.Operations, Is.EqualTo(failing), () => $"{variant}: operation {failing} fails");
            }
        }
    }

    private void CrashAndReopen(int history, ImageVariant variant)
    {
        Random random = NewRandom(history);
        CrashMedium medium = new();
        MemoryFiles files = new(name => medium.Add(name, new MemoryImageFile([], name)));
        SectorHistory told = new(FirstContent(variant));
        MemoryImageFile? below = Below(variant);
        int first = 0;
        WriteAndClose(files, below, variant, told, random, () => medium.Position, ref first);
        int[] cuts = [.. medium.Flushes.Where(p => p >= first), .. Enumerable.Range(0, CutsBetween).Select(_ => random.Next(first, medium.Position + 1))];
        int judged = random.Next(cuts.Length);
        for (int i = 0; i < cuts.Length; i++)
        {
            string what = $"history {history} of {variant}, power cut at {cuts[i]} of {medium.Position}";
            MemoryFiles left = medium.CutPower(cuts[i], random);
            RequireSurvived(left, below, variant, told, cuts[i], what, askQemu: i == judged);
            CutAgainWhileRepairing(left, below, variant, told, cuts[i], what, random);
        }
    }

    /// <summary>A history in two openings. <paramref name="created"/> becomes the position behind the making of the image: from there on it must
    /// be one.</summary>
    private void WriteAndClose(
        MemoryFiles files, MemoryImageFile? below, ImageVariant variant, SectorHistory told, Random random, Func<int> position, ref int created)
    {
        PutBase(files, below);
        using (ImageDisk disk = Create(files, variant, Image, below is null ? null : files.Source(Base)))
        {
            created = position();
            Apply(disk, Draw(random, variant, ChunkBytes(disk), 15), told, position);
            disk.Close();
            told.Flushed(position());
        }
        using (ImageDisk disk = Open(files.Reopened(), variant))
        {
            Apply(disk, Draw(random, variant, ChunkBytes(disk), 15), told, position);
            if (random.Next(2) == 0)
            {
                disk.Close();
                told.Flushed(position());
            }
        }
    }

    private void RequireSurvived(
        MemoryFiles left, MemoryImageFile? below, ImageVariant variant, SectorHistory told, int position, string what, bool askQemu)
    {
        MemoryFiles files = left.Copied();
        PutBase(files, below);
        if (askQemu && variant.SoundBeforeRepair)
        {
            AskQemu(files);
        }
        using (ImageDisk disk = Open(files, variant))
        {
            RequireSound(disk, what, leaks: true);
            told.RequirePossible(ReadAll(disk, ref _content).Span, position, what);
            disk.Close();
        }
        using (ImageDisk again = Open(files.Reopened(), variant, writable: false))
        {
            RequireSound(again, $"{what}, opened and closed", leaks: true);
            told.RequirePossible(ReadAll(again, ref _content).Span, position, $"{what}, opened and closed");
        }
        if (askQemu)
        {
            AskQemu(files);
        }
    }

    /// <summary>Opening for writing repairs: power fails during that, too.</summary>
    private void CutAgainWhileRepairing(
        MemoryFiles left, MemoryImageFile? below, ImageVariant variant, SectorHistory told, int position, string what, Random random)
    {
        CrashMedium medium = new();
        MemoryFiles files = new();
        foreach ((string name, IImageFile _) in left.All)
        {
            files.Add(name, medium.Add(name, left.Copy(name)));
        }
        PutBase(files, below);
        Open(files, variant).Dispose();
        if (medium.Position > 0)
        {
            int cut = random.Next(1, medium.Position + 1);
            RequireSurvived(medium.CutPower(cut, random), below, variant, told, position, $"{what}, again at {cut} of its repair", askQemu: false);
        }
    }

    private void AskQemu(MemoryFiles files)
    {
        if (QemuFormat is null || !QemuChecks)
        {
            return;
        }
        Qemu.Require();
        using ScratchFolder folder = new();
        foreach ((string name, IImageFile _) in files.All)
        {
            File.WriteAllBytes(folder.File(name), files.Bytes(name));
        }
        Qemu.Check(folder.Path, QemuFormat, Image, leaks: true);
    }

    private MemoryImageFile? Below(ImageVariant variant) => variant.Backed ? new MemoryImageFile(NewBase(variant), Base) : null;

    private static void PutBase(MemoryFiles files, MemoryImageFile? below)
    {
        if (below is not null)
        {
            files.Add(Base, below.Copy());
        }
    }

    private FaultyFiles RunUntilFault(int history, ImageVariant variant, int failing, SectorHistory told, MemoryImageFile? below, ref int created)
    {
        Random random = new(unchecked((Seed * 31) + history));
        FaultyFiles faulty = new(failing);
        try
        {
            WriteAndClose(new MemoryFiles(faulty.New), below, variant, told, random, () => faulty.Operations, ref created);
        }
        catch (IOException) when (faulty.Failed)
        {
        }
        return faulty;
    }

    private static void Apply(ImageDisk disk, DiskStep[] steps, SectorHistory told, Func<int> position)
    {
        foreach (DiskStep step in steps)
        {
            switch (step.Kind)
            {
                case StepKind.Write:
                    disk.Write(step.Offset, told.Write(step.Offset, step.Length, position()));
                    break;
                case StepKind.Zero:
                    told.Zero(step.Offset, step.Length, position());
                    disk.Zero(step.Offset, (ulong)step.Length);
                    break;
                default:
                    disk.Flush();
                    told.Flushed(position());
                    break;
            }
        }
    }
}
