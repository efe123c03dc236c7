// SPDX-License-Identifier: MIT
using System.Text.RegularExpressions;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>What is said to be durable is.</summary>
internal sealed partial class FileSyncTests
{
    [Test]
    public void FilesAndDirectoriesAreFlushed()
    {
        using var temp = new TempFile(5000);
        using var file = File.OpenHandle(temp.Path, access: FileAccess.ReadWrite);
        Assert.That(() => FileSync.Flush(file, temp.Path), Throws.Nothing);
        Assert.That(() => FileSync.FlushDirectory(Path.GetDirectoryName(temp.Path)!), Throws.Nothing);
    }

    /// <summary>A driver without fsync stands for every reason that .NET keeps to itself: EROFS comes only from a file system that has given up.</summary>
    [Test]
    public void AFlushThatIsRefusedIsAnError()
    {
        using var zero = File.OpenHandle("/dev/zero");
        Assert.That(() => RandomAccess.FlushToDisk(zero), Throws.Nothing);
        Assert.That(() => FileSync.Flush(zero, "/dev/zero"),
            Throws.TypeOf<LinuxException>().With.Message.EqualTo("/dev/zero: fsync: Invalid argument (EINVAL)"));
        Assert.That(() => FileSync.FlushWherePossible(zero, "/dev/zero"), Throws.Nothing);
    }

    [Test]
    public void ADirectoryThatCannotBeFlushedIsLeftAsItIs() => Assert.That(() => FileSync.FlushDirectory("/proc"), Throws.Nothing);

    /// <summary>The one of the library is for whoever brings none; this product does.</summary>
    [Test]
    public void NobodyTakesDotNetsWordForIt()
    {
        Assert.That(SourcesWith("src", DotNetsFlush()), Is.EqualTo(["ImageFile.cs"]));
        Assert.That(SourcesWith("src/Cow.Controller", ImageFileWithoutOurs()), Is.EqualTo(["FingerprintGuard.cs"]), "it only reads");
    }

    private static IEnumerable<string> SourcesWith(string directory, Regex text) =>
        Directory.EnumerateFiles(RepoFiles.Path(directory), "*.cs", SearchOption.AllDirectories)
            .Where(file => text.IsMatch(File.ReadAllText(file)))
            .Select(file => Path.GetFileName(file));

    [GeneratedRegex(@"FlushToDisk\(|flushToDisk:|\bFlush\(true\)")]
    private static partial Regex DotNetsFlush();

    [GeneratedRegex(@"new ImageFile\((?![^;]*FileSync\.Flush)")]
    private static partial Regex ImageFileWithoutOurs();
}
