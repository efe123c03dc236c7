// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class PartIdentityTests
{
    private string _directory = "";

    private string Store => Path.Combine(_directory, "vm1.cow");

    [SetUp]
    public void SetUp()
    {
        _directory = Directory.CreateTempSubdirectory("cow").FullName;
        File.WriteAllText(Store, "a store");
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void AFileIsThereWhateverIsWrittenToIt()
    {
        PartIdentity part = PartIdentity.Find(Store)!;
        File.AppendAllText(Store, "and more");
        Assert.That(part.IsThere);
        Assert.DoesNotThrow(() => PartIdentity.Require([part], "vm1"));
    }

    [Test]
    public void ACopyUnderItsNameIsAnotherFile()
    {
        PartIdentity part = PartIdentity.Find(Store)!;
        File.Copy(Store, Store + ".new");
        File.Move(Store + ".new", Store, overwrite: true);
        Assert.That(part.IsThere, Is.False);
        RefusedException refused = Assert.Throws<RefusedException>(() => PartIdentity.Require([part], "vm1"))!;
        Assert.That(refused.Failure.Reason, Does.StartWith(Store + " is not what it was made with"));
    }

    [Test]
    public void NothingUnderItsNameIsNotThere()
    {
        PartIdentity part = PartIdentity.Find(Store)!;
        File.Delete(Store);
        Assert.That(part.IsThere, Is.False);
        Assert.That(PartIdentity.Find(Store), Is.Null);
    }

    [Test]
    public void AnotherMediumInADeviceIsAnotherDevice()
    {
        PartIdentity? disk = Directory.EnumerateFileSystemEntries("/sys/block")
            .Select(entry => "/dev/" + Path.GetFileName(entry))
            .Where(File.Exists)
            .Select(PartIdentity.Find)
            .FirstOrDefault(part => part?.DiskSequence is not null);
        if (disk is null)
        {
            Assert.Ignore("no block device, or a kernel before 5.15");
        }

        Assert.That(disk.IsThere);
        Assert.That((disk with { DiskSequence = disk.DiskSequence + 1 }).IsThere, Is.False);
        Assert.That((disk with { DiskSequence = null }).IsThere, "an older kernel does not tell");
        Assert.That((disk with { Device = "1:99999" }).IsThere, Is.False);
        Assert.That((disk with { File = "8:1:17" }).IsThere, Is.False);
    }
}
