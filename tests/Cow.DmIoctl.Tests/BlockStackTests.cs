// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>What lies below a device, in a sysfs of our own.</summary>
internal sealed class BlockStackTests
{
    private const string Ours = "COWCTL-";

    private static readonly DeviceNumber Top = new(253, 9);

    private string _directory = "";

    [SetUp]
    public void SetUp()
    {
        _directory = Directory.CreateTempSubdirectory("cow").FullName;
        Write("253:5/dm/uuid", "COWCTL-b");
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void ADeviceIsFoundItself() => Assert.That(Find(new DeviceNumber(253, 5)), Is.EqualTo("COWCTL-b"));

    [Test]
    public void ADeviceIsFoundBelowOthers()
    {
        Write("253:9/dm/uuid", "LVM-x");
        Write("253:9/slaves/sda/dev", "8:0");
        Write("253:9/slaves/md0/dev", "9:0");
        Write("9:0/slaves/dm-5/dev", "253:5");
        Assert.That(Find(Top), Is.EqualTo("COWCTL-b"));
    }

    [Test]
    public void ADeviceIsFoundBelowAPartition()
    {
        Write("disks/md0/dev", "9:0");
        Write("disks/md0/md0p1/partition", "1");
        Write("9:0/slaves/dm-5/dev", "253:5");
        Directory.CreateSymbolicLink(In("259:1"), "disks/md0/md0p1");
        Assert.That(Find(new DeviceNumber(259, 1)), Is.EqualTo("COWCTL-b"));
    }

    [Test]
    public void ADeviceIsFoundBelowTheFileOfALoopDevice()
    {
        Write("file", "");
        Write("7:0/loop/backing_file", In("file"));
        Write($"{BlockDevice.IdentityOf(In("file")).Device}/slaves/dm-5/dev", "253:5");
        Assert.That(Find(new DeviceNumber(7, 0)), Is.EqualTo("COWCTL-b"));
    }

    [TestCase("253:8", "COWCTL", TestName = "AnotherUuidIsNotOurs")]
    [TestCase("253:8", "CRYPT-COWCTL-b", TestName = "AUuidThatHasOursInItIsNotOurs")]
    [TestCase("253:9", "LVM-x", TestName = "ADeviceThatLiesOnItselfIsNotLookedAtForEver")]
    public void NothingIsFound(string lower, string uuid)
    {
        Write("253:9/slaves/lower/dev", lower);
        Write("253:9/slaves/loop/dev", "7:0");
        Write("7:0/loop/backing_file", "/nowhere/at/all (deleted)");
        Write($"{lower}/dm/uuid", uuid);
        Assert.That(Find(Top), Is.Null);
    }

    [Test]
    public void OfANumberWithoutADeviceNothingIsKnown()
    {
        Assert.That(Find(new DeviceNumber(0, 42)), Is.Null);
        Assert.That(BlockDevice.MappedBelow(_directory, Ours), Is.Null);
    }

    private string? Find(DeviceNumber number) => new BlockStack(_directory).FindUuid(number, Ours);

    private string In(string path) => Path.Combine(_directory, path);

    private void Write(string path, string line)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(In(path))!);
        File.WriteAllText(In(path), line + "\n");
    }
}
