// SPDX-License-Identifier: MIT
using Cow.Formats.Images;

namespace Cow.Formats.Tests.Images;

/// <summary>Random histories, applied by us and by QEMU to twin images.</summary>
internal abstract partial class ImageFormatContract
{
    /// <summary>Sources of what is written: qemu-io takes them from files.</summary>
    private const int Patterns = 8;

    private static readonly byte[][] Pattern = [.. Enumerable.Range(0, Patterns).Select(PatternBytes)];

    /// <summary>Takes a snapshot of an image that nobody has open; false where the format has none, or this variant.</summary>
    protected virtual bool TakeSnapshot(ImageSource image, ImageVariant variant, string name) => false;

    /// <summary>Each of the twins is written by us in some phases and by QEMU in the others. In the end both read what a plain array does, to both
    /// readers, and both checkers are content.</summary>
    [Test]
    public void ARandomHistoryReadsTheSameToQemu()
    {
        RequireQemu();
        int histories = Setting("COW_TEST_HISTORIES", Math.Max(12, 2 * Variants.Count));
        for (int history = 0; history < histories; history++)
        {
            RunTwins(history, Variants[history % Variants.Count]);
        }
    }

    /// <summary>The same without QEMU, and longer: what is written is read back, now and after reopening.</summary>
    [Test]
    public void ARandomHistoryIsReadBack()
    {
        for (int history = 0; history < Math.Max(12, 3 * Variants.Count); history++)
        {
            ImageVariant variant = Variants[history % Variants.Count];
            Random random = NewRandom(history);
            string what = $"history {history} of {variant}";
            MemoryFiles files = new();
            byte[] model = FirstContent(variant);
            using (ImageDisk made = NewDisk(files, variant))
            {
                RequireEqual(ReadAll(made), model, $"{what}, new");
                made.Close();
            }
            for (int phase = 0; phase < 3; phase++)
            {
                files = files.Reopened();
                using ImageDisk disk = Open(files, variant);
                Apply(disk, Draw(random, variant, ChunkBytes(disk), 30), model);
                RequireEqual(ReadAll(disk), model, $"{what}, phase {phase}");
                disk.Close();
                RequireUntouched(files, variant, model, what);
            }
        }
    }

    /// <summary>Read-only, and by the check.</summary>
    private void RequireUntouched(MemoryFiles files, ImageVariant variant, byte[] model, string what)
    {
        using ImageDisk closed = Open(files.Reopened(), variant, writable: false);
        RequireEqual(ReadAll(closed), model, $"{what}, closed");
        RequireSound(closed, $"{what}, closed");
    }

    private void RequireQemu()
    {
        if (QemuFormat is null)
        {
            Assert.Ignore("QEMU is no judge of this format");
        }
        Qemu.Require();
    }

    private void RunTwins(int history, ImageVariant variant)
    {
        using ScratchFolder folder = new();
        Random random = NewRandom(history);
        byte[] model = FirstContent(variant);
        (string ours, string theirs) = ("a", "b");
        ulong chunkBytes = MakeTwins(folder, variant, ours, theirs);
        Dictionary<string, byte[]> snapshots = [];
        for (int phase = random.Next(1, 4); phase > 0; phase--)
        {
            DiskStep[] steps = [.. Draw(random, variant, chunkBytes, random.Next(5, 25)).Select(step => SometimesDiscard(step, variant, random))];
            int[] patterns = [.. steps.Select(_ => random.Next(Patterns))];
            Qemu.Io(folder.Path, QemuFormat!, theirs, steps.Zip(patterns, QemuCommand));
            WithDisk(folder, variant, ours, disk => Apply(disk, steps, model, patterns));
            string name = $"s{phase}";
            if (random.Next(3) == 0 && TakeBoth(folder, variant, ours, theirs, name))
            {
                snapshots.Add(name, [.. model]);
            }
            (ours, theirs) = random.Next(2) == 0 ? (ours, theirs) : (theirs, ours);
        }
        File.WriteAllBytes(folder.File("expected"), model);
        foreach (string image in (string[])[ours, theirs])
        {
            RequireAsExpected(folder, variant, image, model, snapshots, $"history {history} of {variant}, image {image}");
        }
    }

    /// <returns>Bytes of a chunk.</returns>
    private ulong MakeTwins(ScratchFolder folder, ImageVariant variant, string ours, string theirs)
    {
        for (int i = 0; i < Patterns; i++)
        {
            File.WriteAllBytes(folder.File($"pattern{i}"), Pattern[i]);
        }
        if (variant.Backed)
        {
            File.WriteAllBytes(folder.File(Base), NewBase(variant));
        }
        ulong chunkBytes = MakeOurs(folder, variant, ours);
        if (variant.QemuSettings is not { } settings)
        {
            MakeOurs(folder, variant, theirs);
            return chunkBytes;
        }
        string[] options = settings.Length == 0 ? [] : ["-o", settings.Replace("{image}", theirs, StringComparison.Ordinal)];
        string[] backing = variant.Backed ? ["-b", Base, "-F", DriverOf(variant.BackingFormat) == Driver ? QemuFormat! : variant.BackingFormat] : [];
        Qemu.Img(folder.Path, ["create", "-q", "-f", QemuFormat!, .. options, .. backing, theirs, $"{variant.DiskBytes}"]);
        return chunkBytes;
    }

    private ulong MakeOurs(ScratchFolder folder, ImageVariant variant, string image)
    {
        using FolderFiles files = new(folder.Path);
        ImageSource? backing = variant.Backed ? files.Source(Base, writable: false) : null;
        using ImageDisk disk = Create(files, variant, image, backing);
        disk.Close();
        return ChunkBytes(disk);
    }

    private void WithDisk(ScratchFolder folder, ImageVariant variant, string image, Action<ImageDisk> action)
    {
        using FolderFiles files = new(folder.Path);
        using ImageDisk disk = Open(files, variant, image: image);
        action(disk);
        disk.Close();
    }

    private bool TakeBoth(ScratchFolder folder, ImageVariant variant, string ours, string theirs, string name)
    {
        using FolderFiles files = new(folder.Path);
        if (!TakeSnapshot(files.Source(ours), variant, name))
        {
            return false;
        }
        Qemu.Img(folder.Path, "snapshot", "-c", name, theirs);
        return true;
    }

    private void RequireAsExpected(
        ScratchFolder folder, ImageVariant variant, string image, byte[] model, Dictionary<string, byte[]> snapshots, string what)
    {
        Qemu.Compare(folder.Path, QemuFormat!, image, "expected");
        if (QemuChecks)
        {
            Qemu.Check(folder.Path, QemuFormat!, image, leaks: false);
        }
        using (FolderFiles files = new(folder.Path))
        {
            using ImageDisk disk = Open(files, variant, writable: false, image: image);
            RequireEqual(ReadAll(disk), model, what);
            RequireSound(disk, what);
        }
        foreach ((string name, byte[] then) in snapshots)
        {
            using FolderFiles files = new(folder.Path);
            using ImageDisk disk = Open(files, variant, writable: false, image: image, snapshot: name);
            RequireEqual(ReadAll(disk), then, $"{what}, snapshot {name}");
            Qemu.Img(folder.Path, "convert", "-f", QemuFormat!, "-l", $"snapshot.name={name}", "-O", "raw", image, "then");
            RequireEqual(File.ReadAllBytes(folder.File("then")), then, $"{what}, snapshot {name} by QEMU");
        }
    }

    private static DiskStep[] Draw(Random random, ImageVariant variant, ulong chunkBytes, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => DiskStep.Draw(random, variant.DiskBytes, chunkBytes))];

    private static DiskStep SometimesDiscard(DiskStep step, ImageVariant variant, Random random) =>
        step.Kind == StepKind.Zero && variant.DiscardBytes > 0 && random.Next(2) == 0 ? step.AsDiscard(variant.DiscardBytes, variant.DiskBytes) : step;

    private static void Apply(ImageDisk disk, DiskStep[] steps, Span<byte> model, int[]? patterns = null)
    {
        for (int i = 0; i < steps.Length; i++)
        {
            DiskStep step = steps[i];
            Span<byte> there = model.Slice((int)step.Offset, step.Length);
            switch (step.Kind)
            {
                case StepKind.Write:
                    Pattern[patterns?[i] ?? i % Patterns].AsSpan(0, step.Length).CopyTo(there);
                    disk.Write(step.Offset, there);
                    break;
                case StepKind.Zero or StepKind.Discard:
                    there.Clear();
                    disk.Zero(step.Offset, (ulong)step.Length);
                    break;
                default:
                    disk.Flush();
                    break;
            }
        }
    }

    private static string QemuCommand(DiskStep step, int pattern) => step.Kind switch
    {
        StepKind.Write => $"write -q -s pattern{pattern} {step.Offset} {step.Length}",
        StepKind.Zero => $"write -q -z {(pattern % 2 == 0 ? "-u " : "")}{step.Offset} {step.Length}",
        StepKind.Discard => $"discard -q {step.Offset} {step.Length}",
        _ => "flush",
    };

    private static byte[] PatternBytes(int number)
    {
        byte[] bytes = new byte[DiskStep.MostSectors * 512];
        new Random(number).NextBytes(bytes);
        return bytes;
    }
}
