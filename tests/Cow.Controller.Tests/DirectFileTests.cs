// SPDX-License-Identifier: MIT
using Cow.Formats.Io;
using Microsoft.Win32.SafeHandles;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Which way a file is opened that the kernel writes under us.</summary>
[TestFixture]
internal sealed class DirectFileTests
{
    private string _path = "";

    [SetUp]
    public void MakeFile() => _path = Path.GetTempFileName();

    [TearDown]
    public void RemoveFile() => File.Delete(_path);

    /// <summary>Else a sector of a table would be written together with its neighbours, which may be a guest's.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void PastTheCacheOnlyWhereSingleSectorsAreTaken(bool taken)
    {
        SafeFileHandle direct = File.OpenHandle(_path);
        SafeFileHandle cached = File.OpenHandle(_path);
        using SafeFileHandle chosen = DirectFile.Choose(direct, () => cached, _ => taken);
        Assert.That(chosen, Is.SameAs(taken ? direct : cached));
        Assert.That(direct.IsClosed, Is.Not.EqualTo(taken));
        cached.Dispose();
    }

    [Test]
    public void ThroughTheCacheWhereNothingElseCanBe()
    {
        using SafeFileHandle cached = File.OpenHandle(_path);
        Assert.That(DirectFile.Choose(null, () => cached, _ => true), Is.SameAs(cached));
    }

    [Test]
    public void AFileThatCannotBeAskedIsClosed()
    {
        SafeFileHandle direct = File.OpenHandle(_path);
        Assert.That(() => DirectFile.Choose(direct, () => direct, _ => throw new NotSupportedException()), Throws.InstanceOf<NotSupportedException>());
        Assert.That(direct.IsClosed, Is.True);
    }

    /// <summary>A file system without fsync has nothing that is not on its disk, unless somebody wrote it.</summary>
    [Test]
    public void AFileThatCannotBeFlushedIsReadAllTheSame([Values] bool write)
    {
        using IImageFile file = DirectFile.Open("/proc/self/comm", write);
        Assert.That(file.Flush, write ? Throws.InstanceOf<IOException>() : Throws.Nothing);
    }

    [TestCase(0, false)]
    [TestCase(1, true)]
    [TestCase(4096, true)]
    public void AFileTellsWhetherItTakesSectorsUnlessItIsEmpty(int bytes, bool takes)
    {
        File.WriteAllBytes(_path, new byte[bytes]);
        using SafeFileHandle handle = File.OpenHandle(_path);
        Assert.That(DirectFile.TakesSectors(handle), Is.EqualTo(takes));
    }
}
