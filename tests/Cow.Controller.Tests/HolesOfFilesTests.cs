// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Images;
using Cow.Formats.Io;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Both ways to open an image tell where its file has holes: without that a check would read terabytes of zeros.</summary>
[TestFixture]
internal sealed class HolesOfFilesTests
{
    private const long DataAt = 64 << 20;

    private string _path = "";

    [SetUp]
    public void MakeFile()
    {
        _path = Path.GetTempFileName();
        using FileStream file = File.OpenWrite(_path);
        file.SetLength(4 * DataAt);
        file.Position = DataAt;
        file.Write(new byte[4096]);
    }

    [TearDown]
    public void RemoveFile() => File.Delete(_path);

    [Test]
    public void OfAVerbsFile()
    {
        using PlainFile file = PlainFile.Open(_path, writable: false);
        RequireHoles(file);
    }

    [Test]
    public void OfTheDaemonsFile()
    {
        using IImageFile file = DirectFile.Open(_path, write: false);
        RequireHoles(file);
    }

    private static void RequireHoles(IImageFile file)
    {
        Assert.That(file.NextData(0), Is.EqualTo(DataAt));
        Assert.That(file.NextData(DataAt + 100), Is.EqualTo(DataAt + 100));
        Assert.That(file.NextData(2 * DataAt), Is.EqualTo(4 * DataAt), "the end");
    }
}
