// SPDX-License-Identifier: MIT
using Cow.Formats.Images;
using Cow.Formats.Images.Vmdk;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Cow.Formats.Tests.Images.Vmdk;

/// <summary>Defects that are planted, and found; what a crash may leave, and how it is repaired.</summary>
[TestFixture]
internal sealed class VmdkCheckTests
{
    private const int DiskBytes = 1 << 20;

    // As HostedCreation lays it out: one table of 4 sectors behind a directory of one, redundant ones first.
    private const int MirrorAt = 21 * 512;
    private const int MirrorTableAt = 22 * 512;
    private const int DirectoryAt = 26 * 512;
    private const int TableAt = 27 * 512;
    private const uint FirstGrain = 128;

    // As CowdHeader lays it out.
    private const int CowdDirectoryAt = 4 * 512;
    private const int CowdTableAt = 5 * 512;

    [TestCase("a grain behind the end", 0, 0x10000u)]
    [TestCase("a grain in the header", 0, 2u)]
    [TestCase("a grain of zeros where there is no such", 0, 1u)]
    [TestCase("a grain in its own table", 0, 27u)]
    [TestCase("a grain in the redundant table", 0, 22u)]
    [TestCase("a grain that reaches into the next one", 0, FirstGrain + 1)]
    [TestCase("two grains at one place", 4, FirstGrain)]
    [TestCase("a grain behind the end of the disk", 4 * 16, FirstGrain + 256)]
    public void CheckFindsABadGrain(string what, int entry, uint sector)
    {
        byte[] image = Hosted(entry == 4 * 16 ? 3 : 2);
        WriteUInt32LittleEndian(image.AsSpan(TableAt + entry), sector);
        WriteUInt32LittleEndian(image.AsSpan(MirrorTableAt + entry), sector);
        if (entry == 4 * 16)
        {
            image.AsSpan(TableAt + 8, 4).Clear();
            image.AsSpan(MirrorTableAt + 8, 4).Clear();
        }
        Assert.That(Errors(image), Is.Not.Empty, what);
    }

    [TestCase("a table behind the end", DirectoryAt, 0x10000u)]
    [TestCase("a table in the header", DirectoryAt, 1u)]
    [TestCase("a table that is the redundant one too", MirrorAt, TableAt / 512u)]
    [TestCase("no redundant table", MirrorAt, 0u)]
    [TestCase("a redundant table behind the end", MirrorAt, 0x10000u)]
    [TestCase("a redundant entry that differs", MirrorTableAt, FirstGrain + 128)]
    public void CheckFindsABadTable(string what, int at, uint sector)
    {
        byte[] image = Hosted(2);
        WriteUInt32LittleEndian(image.AsSpan(at), sector);
        Assert.That(Errors(image), Is.Not.Empty, what);
    }

    [Test]
    public void CheckFindsLostSpaceAndNothingElse()
    {
        Assert.That(Report(Hosted(2)).Clean, Is.True);
        byte[] image = Hosted(2);
        WriteUInt32LittleEndian(image.AsSpan(TableAt), 0);
        WriteUInt32LittleEndian(image.AsSpan(MirrorTableAt), 0);
        CheckReport report = Report(image);
        Assert.That((report.Errors.Count, report.Leaks.Count), Is.EqualTo((0, 1)));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void ACrashBetweenBothTablesIsEvenedOut(bool mirrorAhead)
    {
        byte[] image = Hosted(2);
        image[72] = 1;
        WriteUInt32LittleEndian(image.AsSpan(mirrorAhead ? TableAt : MirrorTableAt), 0);
        MemoryFiles files = Put(image);
        Assert.That(Errors(image), Is.Empty, "a crash explains it");
        using (ImageDisk disk = Open(files))
        {
            disk.Close();
        }
        byte[] after = files.Bytes("image");
        Assert.That(after.AsSpan(TableAt, 2048).SequenceEqual(after.AsSpan(MirrorTableAt, 2048)), Is.True);
        Assert.That(ReadUInt32LittleEndian(after.AsSpan(TableAt)), Is.EqualTo(mirrorAhead ? 0 : FirstGrain), "the primary one counts");
        Assert.That(after[72], Is.Zero);
    }

    /// <summary>At the end of the file it takes less than a grain, and what was placed next would leave that behind; before a grain it is a hole.</summary>
    [TestCase(0)]
    [TestCase(1)]
    public void ACopyWithoutATableIsGivenBack(int grainsBehind)
    {
        byte[] image = WithLonelyCopy(grainsBehind, out int length);
        MemoryFiles files = Put(image);
        Open(files).Close();
        Assert.That(files.Bytes("image"), Has.Length.EqualTo(length + (grainsBehind * 65536)));
        files = files.Reopened();
        using (ImageDisk disk = Open(files))
        {
            disk.Write(10 * 65536, new byte[512]);
            disk.Close();
        }
        Assert.That(files.Bytes("image"), Has.Length.EqualTo(length + ((grainsBehind + 1) * 65536)));
        Assert.That(ReportOf(files.Reopened()).Clean, Is.True);
    }

    [Test]
    public void AMissingCopyIsDurableBeforeItIsNamed()
    {
        const int Tries = 200;
        byte[] image = Hosted(2);
        image[72] = 1;
        WriteUInt32LittleEndian(image.AsSpan(MirrorAt), 0);
        CrashMedium medium = new();
        Open(new MemoryFiles().Add("image", medium.Add("image", new MemoryImageFile(image, "image")))).Dispose();
        Random random = new(1);
        for (int cut = 0; cut < Tries * (medium.Position + 1); cut++)
        {
            MemoryFiles left = medium.CutPower(cut / Tries, random);
            Assert.That(Errors(left.Bytes("image")), Is.Empty, $"after {cut / Tries} operations");
        }
    }

    [Test]
    public void APrimaryEntryThatCannotBeIsTakenFromTheRedundantTable()
    {
        byte[] image = Hosted(2);
        image[72] = 1;
        WriteUInt32LittleEndian(image.AsSpan(TableAt), 0x7fffffff);
        MemoryFiles files = Put(image);
        Open(files).Dispose();
        Assert.That(ReadUInt32LittleEndian(files.Bytes("image").AsSpan(TableAt)), Is.EqualTo(FirstGrain));
    }

    /// <summary>Whichever of both is right: the copy may be the last to know.</summary>
    [TestCase(true, true)]
    [TestCase(true, false)]
    [TestCase(false, true)]
    public void DamageAfterACrashIsNotWritten(bool primary, bool copy)
    {
        byte[] image = Hosted(2);
        image[72] = 1;
        WriteUInt32LittleEndian(image.AsSpan(TableAt + 4), primary ? FirstGrain : 0x7fffffff);
        WriteUInt32LittleEndian(image.AsSpan(MirrorTableAt + 4), copy ? FirstGrain : FirstGrain + 128);
        MemoryFiles files = Put(image);
        Assert.That(() => Open(files).Dispose(), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => Repair(files), Throws.InstanceOf<ImageFormatException>());
        Assert.That(files.Bytes("image").AsSpan().SequenceEqual(image), Is.True);
    }

    /// <summary>Lost space could be given back in the first one.</summary>
    [Test]
    public void WhereOneExtentIsBeyondRepairTheOthersAreNotWritten()
    {
        MemoryFiles files = TwoExtents();
        byte[] first = files.Bytes("image-s001.vmdk");
        Array.Resize(ref first, first.Length + 65536);
        files.Put("image-s001.vmdk", first);
        byte[] second = files.Bytes("image-s002.vmdk");
        int directory = (int)ReadUInt64LittleEndian(second.AsSpan(56)) * 512;
        int table = (int)ReadUInt32LittleEndian(second.AsSpan(directory)) * 512;
        second.AsSpan(table, 4).CopyTo(second.AsSpan(table + 4));
        second[72] = 1;
        files.Put("image-s002.vmdk", second);
        Assert.That(() => Repair(files), Throws.InstanceOf<ImageFormatException>());
        Assert.That(() => Open(files).Dispose(), Throws.InstanceOf<ImageFormatException>());
        Assert.That(files.Bytes("image-s001.vmdk").AsSpan().SequenceEqual(first), Is.True);
        Assert.That(files.Bytes("image-s002.vmdk").AsSpan().SequenceEqual(second), Is.True);
    }

    /// <summary>Nothing names the copy, so it has no place to be written to: neither with a new grain, nor with one that moves into a hole.</summary>
    [Test]
    public void ATableWithoutACopyIsWrittenAlone()
    {
        byte[] image = Hosted(2);
        WriteUInt32LittleEndian(image.AsSpan(MirrorAt), 0);
        MemoryFiles files = Put(image);
        using (ImageDisk disk = Open(files))
        {
            // The place of this one becomes the hole.
            disk.Chain.Allocate(new ChunkRun(10, 1));
            disk.Write(5 * 65536, Enumerable.Repeat((byte)7, 65536).ToArray());
            disk.Close();
        }
        byte[] after = files.Bytes("image");
        Assert.That(after.AsSpan(0, 512).SequenceEqual(image.AsSpan(0, 512)), Is.True, "the header");
        Assert.That(after.AsSpan(MirrorAt, 512).SequenceEqual(image.AsSpan(MirrorAt, 512)), Is.True, "the redundant directory");
        Assert.That(after, Has.Length.EqualTo(image.Length + 65536));
        using ImageDisk read = Open(files.Reopened(), writable: false);
        byte[] grain = new byte[65536];
        read.Read(5 * 65536, grain);
        Assert.That(grain, Is.All.EqualTo(7));
    }

    [Test]
    public void TheMarkIsSetWhileItIsWritten()
    {
        MemoryFiles files = Put(Hosted(1));
        using ImageDisk disk = Open(files);
        Assert.That(files.Bytes("image")[72], Is.EqualTo(1));
        disk.Close();
        Assert.That(files.Bytes("image")[72], Is.Zero);
    }

    /// <summary>The file was made longer, or a grain lost its entry, or a crash left the mark: what the disk reads stays, and so what children
    /// name it by.</summary>
    [TestCase(1, -1, 0)]
    [TestCase(1, TableAt, 0)]
    [TestCase(0, -1, 1)]
    [TestCase(3, TableAt, 1)]
    public void ARepairCuresWhatIsLostAndKeepsTheContentId(int moreGrains, int lostEntryAt, byte mark)
    {
        byte[] image = Hosted(3);
        int length = image.Length;
        Array.Resize(ref image, length + (moreGrains * 65536));
        image[72] = mark;
        if (lostEntryAt > 0)
        {
            image.AsSpan(lostEntryAt, 4).Clear();
            image.AsSpan(lostEntryAt - TableAt + MirrorTableAt, 4).Clear();
        }
        MemoryFiles files = Put(image);
        string? id = IdOf(files);
        Repair(files);
        Assert.That(ReportOf(files.Reopened()).Clean, Is.True);
        Assert.That(IdOf(files.Reopened()), Is.EqualTo(id));
        Assert.That(files.Bytes("image"), Has.Length.EqualTo(length - (lostEntryAt > 0 ? 65536 : 0)));
        Assert.That(files.Bytes("image")[72], Is.Zero);
    }

    [TestCase(-1, 0, false)]
    [TestCase(MirrorTableAt, 0, false)]
    [TestCase(TableAt + 4, (int)FirstGrain, true)]
    public void ARepairThatCannotCureWritesNothing(int at, int entry, bool longer)
    {
        byte[] image = Hosted(2);
        Array.Resize(ref image, image.Length + (longer ? 65536 : 0));
        if (at > 0)
        {
            WriteInt32LittleEndian(image.AsSpan(at), entry);
        }
        MemoryImageFile file = new(image, "image");
        Repair(new MemoryFiles().Add("image", file));
        Assert.That(file.Changes, Is.Zero);
    }

    [TestCase("a grain behind the end", CowdTableAt, 0x10000u)]
    [TestCase("a grain in the header", CowdTableAt, 3u)]
    [TestCase("a grain in sector 1, which means zeros elsewhere", CowdTableAt, 1u)]
    [TestCase("a grain in its own table", CowdTableAt, 6u)]
    [TestCase("a table behind the end", CowdDirectoryAt, 0x10000u)]
    [TestCase("a table in the header", CowdDirectoryAt, 2u)]
    [TestCase("a next free sector that is in use", CowdHeader.NextFreeAt, 10u)]
    public void CheckFindsWhatIsWrongInCowd(string what, int at, uint value)
    {
        MemoryFiles files = Cowd();
        Assert.That(ReportOf(files).Clean, Is.True);
        byte[] extent = files.Bytes("image-delta.vmdk");
        WriteUInt32LittleEndian(extent.AsSpan(at), value);
        files.Put("image-delta.vmdk", extent);
        Assert.That(ErrorsOf(files), Is.Not.Empty, what);
    }

    [Test]
    public void TwoGrainsOfCowdAtOnePlaceAreFound()
    {
        MemoryFiles files = Cowd();
        byte[] extent = files.Bytes("image-delta.vmdk");
        extent.AsSpan(CowdTableAt, 4).CopyTo(extent.AsSpan(CowdTableAt + 400));
        files.Put("image-delta.vmdk", extent);
        Assert.That(ErrorsOf(files), Is.Not.Empty);
    }

    /// <summary>A grain is lost before a table, which comes last and is too long for the hole. So nothing is written, not even that it is.</summary>
    [Test]
    public void ARepairOfCowdThatFillsNoHoleWritesNothing()
    {
        MemoryFiles files = Cowd(4 << 20, 3 << 20);
        byte[] extent = files.Bytes("image-delta.vmdk");
        int lastTable = (int)ReadUInt32LittleEndian(extent.AsSpan(CowdDirectoryAt + 4)) * 512;
        extent.AsSpan(CowdTableAt + 12, 4).Clear();
        extent.AsSpan(lastTable, 4096 * 4).Clear();
        files.Put("image-delta.vmdk", extent);
        Repair(files);
        byte[] cut = files.Bytes("image-delta.vmdk");
        Assert.That(cut, Has.Length.EqualTo(extent.Length - 512), "only the end is given back");
        MemoryImageFile file = new(cut, "image-delta.vmdk");
        files.Add("image-delta.vmdk", file);
        Assert.That(ReportOf(files).Leaks, Is.Not.Empty);
        Repair(files);
        Assert.That(file.Changes, Is.Zero);
    }

    [Test]
    public void CowdSaysWhereItsSpaceEndsAndThatItIsWritten()
    {
        MemoryFiles files = Cowd();
        using ImageDisk disk = Open(files);
        Assert.That(files.Bytes("image-delta.vmdk")[CowdHeader.UncleanAt], Is.EqualTo(1));
        disk.Write(500_224, new byte[512]);
        disk.Close();
        byte[] extent = files.Bytes("image-delta.vmdk");
        Assert.That(extent[CowdHeader.UncleanAt], Is.Zero);
        Assert.That(ReadUInt32LittleEndian(extent.AsSpan(CowdHeader.NextFreeAt)) * 512L, Is.EqualTo(extent.Length));
    }

    /// <summary>The last grain that an entry can name ends where the header cannot say that nothing is used any more.</summary>
    [TestCase((byte)0)]
    [TestCase((byte)1)]
    public void CowdLongerThanItsHeaderCanSayIsOnlyRead(byte unclean)
    {
        MemoryFiles files = Cowd();
        using HoledFile extent = new(1L << 41, "image-delta.vmdk");
        extent.WriteAt(files.Bytes("image-delta.vmdk"), 0);
        extent.WriteAt([0xff, 0xff, 0xff, 0xff], CowdTableAt);
        extent.WriteAt([unclean], CowdHeader.UncleanAt);
        files.Add("image-delta.vmdk", extent);
        using ImageDisk disk = Open(files, writable: false);
        Assert.That(disk.Chain.Images[0].Lookup(0, 512).Offset, Is.EqualTo((1L << 41) - 512));
        Assert.That(() => Open(files), Throws.InstanceOf<ImageFormatException>().With.Message.Contains("how far it is used"));
    }

    [Test]
    public void TheParentOfAnExtentOfEsxIsKeptAndItsChildWritten()
    {
        using ScratchFolder folder = new();
        folder.Unpack(Path.Combine(TestImages.Folder("vmdk"), "cowd"));
        byte[] model = File.ReadAllBytes(folder.File("expected.raw"));
        using (FolderFiles files = new(folder.Path))
        {
            using ImageDisk disk = new(ImageStack.Open(files.Source("child.vmdk"), new ImageStackOptions(true)));
            Random random = new(5);
            for (int i = 0; i < 200; i++)
            {
                int at = random.Next(model.Length / 512) * 512;
                int length = Math.Min(512 * (1 + random.Next(20)), model.Length - at);
                random.NextBytes(model.AsSpan(at, length));
                disk.Write((ulong)at, model.AsSpan(at, length));
            }
            disk.Close();
        }
        using FolderFiles again = new(folder.Path);
        using ImageDisk read = new(ImageStack.Open(again.Source("child.vmdk", writable: false), new ImageStackOptions()));
        byte[] content = new byte[model.Length];
        read.Read(0, content);
        Assert.That(content.AsSpan().SequenceEqual(model), Is.True);
        Assert.That(read.Chain.Check().Clean, Is.True);
    }

    /// <summary>An image of two grains that was not closed, whose second table is only in the redundant directory, behind those grains.</summary>
    /// <param name="grainsBehind">Grains behind that.</param>
    /// <param name="length">Bytes of the file before.</param>
    private static byte[] WithLonelyCopy(int grainsBehind, out int length)
    {
        byte[] image = Hosted(2, 64 << 20);
        length = image.Length;
        int mirror = (int)ReadUInt64LittleEndian(image.AsSpan(48)) * 512;
        int directory = (int)ReadUInt64LittleEndian(image.AsSpan(56)) * 512;
        Array.Resize(ref image, grainsBehind == 0 ? length + 2048 : length + ((grainsBehind + 1) * 65536));
        WriteUInt32LittleEndian(image.AsSpan(directory + 4), 0);
        WriteUInt32LittleEndian(image.AsSpan(mirror + 4), (uint)length / 512);
        for (int i = 0; i < grainsBehind; i++)
        {
            foreach (int entry in (int[])[directory, mirror])
            {
                int table = (int)ReadUInt32LittleEndian(image.AsSpan(entry)) * 512;
                WriteUInt32LittleEndian(image.AsSpan(table + (4 * (2 + i))), (uint)(length + ((i + 1) * 65536)) / 512);
            }
        }
        image[72] = 1;
        return image;
    }

    /// <summary>An image of as many grains as are asked for, at adjoining places.</summary>
    private static byte[] Hosted(int grains, ulong diskBytes = DiskBytes)
    {
        MemoryFiles files = new();
        using ImageDisk disk = new(ImageStack.Create(files.New("image"), new VmdkDriver(), new ImageCreateOptions(diskBytes, null, new Dictionary<string, string>())));
        disk.Write(0, new byte[grains * 65536]);
        disk.Close();
        return files.Bytes("image");
    }

    /// <summary>An image of two extents, with a grain in each at the beginning.</summary>
    private static MemoryFiles TwoExtents()
    {
        const ulong Second = 2UL << 30;
        MemoryFiles files = new();
        Dictionary<string, string> settings = new() { ["subformat"] = "twoGbMaxExtentSparse" };
        using ImageDisk disk = new(ImageStack.Create(files.New("image"), new VmdkDriver(), new ImageCreateOptions(Second + DiskBytes, null, settings)));
        disk.Write(0, new byte[65536]);
        disk.Write(Second, new byte[65536]);
        disk.Close();
        return files.Reopened();
    }

    private static MemoryFiles Cowd(ulong diskBytes = DiskBytes, ulong lastAt = 0)
    {
        MemoryFiles files = new();
        Dictionary<string, string> settings = new() { ["subformat"] = "vmfsSparse" };
        using ImageDisk disk = new(ImageStack.Create(files.New("image"), new VmdkDriver(), new ImageCreateOptions(diskBytes, null, settings)));
        disk.Write(0, new byte[10 * 512]);
        disk.Write(lastAt, new byte[512]);
        disk.Close();
        return files.Reopened();
    }

    private static MemoryFiles Put(byte[] image)
    {
        MemoryFiles files = new();
        files.Put("image", [.. image]);
        return files;
    }

    private static void Repair(MemoryFiles files)
    {
        using IDiskImage image = new VmdkDriver().Open(files.Source("image"), new ImageOpenOptions(true) { ForRepair = true });
        image.Close();
    }

    private static string? IdOf(MemoryFiles files)
    {
        using IDiskImage image = new VmdkDriver().Open(files.Source("image"), new ImageOpenOptions(false));
        return image.Info.Identity;
    }

    private static IReadOnlyList<string> Errors(byte[] image) => ErrorsOf(Put(image));

    private static IReadOnlyList<string> ErrorsOf(MemoryFiles files)
    {
        try
        {
            return ReportOf(files).Errors;
        }
        catch (ImageFormatException e)
        {
            return [e.Message];
        }
    }

    private static CheckReport Report(byte[] image) => ReportOf(Put(image));

    private static CheckReport ReportOf(MemoryFiles files)
    {
        using ImageDisk disk = Open(files, writable: false);
        return disk.Chain.Check();
    }

    private static ImageDisk Open(MemoryFiles files, bool writable = true) =>
        new(ImageStack.Open(files.Source("image"), new ImageStackOptions(writable) { Drivers = [new VmdkDriver()] }));
}
