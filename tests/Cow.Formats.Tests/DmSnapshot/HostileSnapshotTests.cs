// SPDX-License-Identifier: MIT

namespace Cow.Formats.Tests.DmSnapshot;

/// <summary>Hostile and valid stores from outside the repository, each with the verdict that it deserves.</summary>
[TestFixture]
internal sealed class HostileSnapshotTests
{
    private const ulong DiskBytes = 1UL << 30;

    private static readonly IFormatDriver Driver = FormatRegistry.Find("snapshot")!;

    [TestCase("ok-empty", 0, 2)]
    [TestCase("ok-3", 3, 5)]
    [TestCase("ok-full-area", 256, 259)]
    [TestCase("ok-2areas", 258, 261)]
    [TestCase("ok-chunk16", null, null)]
    [TestCase("new-is-header", 2, 4)]
    public void IsOpened(string name, int? entries, int? next)
    {
        MemoryFile file = Image(name);
        TimeSpan start = ThreadTime.Used;
        using ICowFormat store = Driver.Open(new FormatFiles(file), new OpenOptions(DiskBytes, null, ReadOnly: false));
        Assert.That(store.Check().Clean, Is.True);
        Assert.That(store.Usage.PlacedChunks, entries is int n ? Is.EqualTo((ulong)n) : Is.GreaterThan(0));
        Allocation answer = store.Allocate(new ChunkRun(100_000, 1));
        Assert.That(answer.Placed.Place.Sector / store.Info.ChunkSectors, next is int p ? Is.EqualTo((ulong)p) : Is.GreaterThan(2));
        store.Commit([answer.Placed]);
        Assert.That(new StockTarget(file.Bytes).Map, Contains.Key(100_000UL));
        Assert.That(ThreadTime.Used - start, Is.LessThan(TimeSpan.FromSeconds(2)));
    }

    [TestCase("version-2", "version")]
    [TestCase("magic-zero", "nobody has made a store")]
    [TestCase("chunk-3", "power of two")]
    [TestCase("chunk-2^22", "power of two")]
    [TestCase("new-beyond", "data chunk")]
    [TestCase("old-dup", "once")]
    [TestCase("old-beyond", "chunk of the disk")]
    [TestCase("all-full", "further metadata area")]
    public void IsRefused(string name, string reason)
    {
        MemoryFile file = Image(name);
        byte[] before = [.. file.Bytes];
        TimeSpan start = ThreadTime.Used;
        Assert.That(() => Driver.Open(new FormatFiles(file), new OpenOptions(DiskBytes, null, ReadOnly: false)), Throws.InstanceOf<ImageFormatException>().With.Message.Contains(reason));
        Assert.That(ThreadTime.Used - start, Is.LessThan(TimeSpan.FromSeconds(2)));
        Assert.That(file.Bytes.AsSpan().SequenceEqual(before), Is.True, "what is refused is not written");
    }

    [Test]
    public void EveryImageOfTheManifestHasItsTest()
    {
        string[] names = [.. File.ReadLines(Path.Combine(TestImages.Folder("hostile"), "manifest.tsv")).Where(l => l.StartsWith("dmsnap-", StringComparison.Ordinal)).Select(l => l.Split(".cow")[0]["dmsnap-".Length..])];
        IEnumerable<object?> tested = typeof(HostileSnapshotTests).GetMethods().SelectMany(m => m.GetCustomAttributes(typeof(TestCaseAttribute), false)).Select(a => ((TestCaseAttribute)a).Arguments[0]);
        Assert.That(names, Is.SubsetOf(tested));
    }

    private static MemoryFile Image(string name) => new(TestImages.Unpack(Path.Combine(TestImages.Folder("hostile"), $"dmsnap-{name}.cow.xz")));
}
