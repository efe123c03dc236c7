// SPDX-License-Identifier: MIT
using Cow.Formats.Io;

namespace Cow.Formats.Tests;

/// <summary>Any offset and length. .NET opens no file O_DIRECT by itself, so these go through the page cache; the virtual machine's tests do not.</summary>
[TestFixture(512)]
[TestFixture(4096)]
internal sealed class ImageFileTests(int alignment)
{
    private string _path = "";

    [SetUp]
    public void MakeFile()
    {
        _path = Path.GetTempFileName();
    }

    [TearDown]
    public void RemoveFile() => File.Delete(_path);

    [Test]
    public void AnyTransferDoesWhatAnArrayWould()
    {
        byte[] model = new byte[400_000];
        new Random(1).NextBytes(model);
        File.WriteAllBytes(_path, model);
        using ImageFile file = Open();
        Random random = new(alignment);
        for (int i = 0; i < 300; i++)
        {
            int at = random.Next(model.Length);
            byte[] data = new byte[random.Next(Math.Min(model.Length - at, i % 7 == 0 ? 200_000 : 5_000) + 1)];
            if (random.Next(2) == 0)
            {
                random.NextBytes(data);
                data.CopyTo(model, at);
                file.WriteAt(data, at);
            }
            file.ReadAt(data, at);
            Assert.That(data.AsSpan().SequenceEqual(model.AsSpan(at, data.Length)), Is.True, () => $"{data.Length} bytes at {at}");
        }
        file.Flush();
        Assert.That(File.ReadAllBytes(_path).AsSpan(0, model.Length).SequenceEqual(model), Is.True);
    }

    /// <summary>An image can have thousands of files.</summary>
    [Test]
    public void AFileOfWhichLittleIsReadTakesLittleMemory()
    {
        File.WriteAllBytes(_path, new byte[100_000]);
        byte[] page = new byte[4096];
        long before = GC.GetAllocatedBytesForCurrentThread();
        using ImageFile file = Open();
        file.ReadAt(page, 8192);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16 << 10));
    }

    [Test]
    public void ReadingBeyondTheEndFails()
    {
        File.WriteAllBytes(_path, new byte[1000]);
        using ImageFile file = Open();
        byte[] data = new byte[1001];
        Assert.That(() => file.ReadAt(data, 0), Throws.InstanceOf<IOException>());
        Assert.That(() => file.ReadAt(data, 1 << 20), Throws.InstanceOf<IOException>());
        Assert.That(() => file.ReadAt(data.AsSpan(0, 1000), 0), Throws.Nothing);
    }

    [Test]
    public void AFileGrowsWithZeros()
    {
        using ImageFile file = Open();
        file.WriteAt([1, 2, 3], 10_000);
        Assert.That(file.Length, Is.EqualTo((10_003 + alignment - 1) / alignment * alignment));
        byte[] data = new byte[10_003];
        file.ReadAt(data, 0);
        Assert.That(data[..10_000], Is.All.Zero);
        Assert.That(data[10_000..], Is.EqualTo(new byte[] { 1, 2, 3 }));
    }

    [Test]
    public void AFormatLivesInAFile()
    {
        File.WriteAllBytes(_path, new byte[1 << 20]);
        using ImageFile file = Open();
        IFormatDriver driver = FormatRegistry.Find("snapshot")!;
        using ICowFormat store = driver.Create(new FormatFiles(file), new CreateOptions(1 << 19, 8));
        store.Commit([store.Allocate(new ChunkRun(0, 64)).Placed]);
        store.Flush();
        Assert.That(store.Check().PlacedChunks, Is.EqualTo(64));
    }

    [Test]
    public void HolesAreAskedForWhereThatIsPossible()
    {
        File.WriteAllBytes(_path, new byte[10_000]);
        using ImageFile file = Open();
        Assert.That(file.NextData(100), Is.EqualTo(100), "nothing is known of holes");
        using ImageFile holed = new(
            File.OpenHandle(_path), _path, alignment, nextData: static (_, offset) => offset < 5000 ? 5000 : null);
        Assert.That((holed.NextData(100), holed.NextData(6000)), Is.EqualTo((5000, 10_000)), "data, and the end");
    }

    [Test]
    public void AFlushIsWhatItsMakerSays()
    {
        using ImageFile file = new(File.OpenHandle(_path), _path, alignment, flush: static (_, name) => throw new IOException($"{name} is lost"));
        Assert.That(file.Flush, Throws.InstanceOf<IOException>().With.Message.EqualTo($"{_path} is lost"));
    }

    private ImageFile Open() => new(File.OpenHandle(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite), _path, alignment);
}
