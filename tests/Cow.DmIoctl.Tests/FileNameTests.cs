// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class FileNameTests
{
    [Test]
    public void AFileTakesNobodysName()
    {
        string scratch = Directory.CreateTempSubdirectory("dm-cow-test-").FullName;
        try
        {
            (string one, string two) = (Path.Combine(scratch, "one"), Path.Combine(scratch, "two"));
            File.WriteAllText(one, "1");
            File.WriteAllText(two, "2");
            Assert.That(FileName.TryMove(one, two), Is.False);
            Assert.That(File.ReadAllText(two), Is.EqualTo("2"));
            File.Delete(two);
            Assert.That(FileName.TryMove(one, two), Is.True);
            Assert.That(File.ReadAllText(two), Is.EqualTo("1"));
            Assert.That(() => FileName.TryMove(one, Path.Combine(scratch, "three")), Throws.InstanceOf<LinuxException>());
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }
}
