// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class BlockDeviceTests
{
    private static readonly string[] Mounts =
    [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro",
        @"23 22 8:17 / /mnt/a\040b\134c ro,relatime - ext4 /dev/sdb1 ro",
        "24 22 8:33 / /ro-here ro,relatime master:2 propagate_from:3 - xfs /dev/sdc1 rw,attr2",
        "25 22 0:21 / /proc rw - proc proc rw",
        "nonsense",
        "1 2 8:49 / /cut - ext4",
    ];

    [TestCase(8u, 1u, "/", true)]
    [TestCase(8u, 17u, @"/mnt/a b\c", false)]
    [TestCase(8u, 33u, "/ro-here", true)]
    [TestCase(8u, 49u, null, false)]
    [TestCase(9u, 1u, null, false)]
    public void MountsAreFound(uint major, uint minor, string? point, bool writable)
    {
        Assert.That(MountInfo.Find(Mounts, new DeviceNumber(major, minor), out bool readWrite), Is.EqualTo(point));
        Assert.That(readWrite, Is.EqualTo(writable));
    }

    [Test]
    public void OurOwnMountsCanBeRead() =>
        Assert.That(BlockDevice.MountedAt(new DeviceNumber(4000, 1), out _), Is.Null);

    [TestCase("/dev/null")]
    [TestCase("/")]
    [TestCase("/nowhere/at/all")]
    [TestCase("/dev/null/below")]
    public void OtherFilesAreNotBlockDevices(string path) => Assert.That(BlockDevice.IsBlockDevice(path), Is.False);

    [Test]
    public void TheNumberOfAnotherFileIsRefused()
    {
        Assert.That(() => BlockDevice.NumberOf("/dev/null"), Throws.ArgumentException);
        Assert.That(() => BlockDevice.NumberOf("/nowhere"),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.ENOENT));
    }

    [Test]
    public void ANumberWithoutADeviceHasNoPath()
    {
        var none = new DeviceNumber(4000, 1);
        Assert.That(() => BlockDevice.PathOf(none),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.ENODEV));
        Assert.That(BlockDevice.Holders(none), Is.Empty);
    }

    [Test]
    public void APathLeadsToItsNumberAndBack()
    {
        string? node = Directory.Exists("/sys/dev/block")
            ? Directory.GetFiles("/dev", "*").FirstOrDefault(BlockDevice.IsBlockDevice)
            : null;
        if (node is null)
        {
            Assert.Ignore("there is no block device on this machine");
        }

        var number = BlockDevice.NumberOf(node!);
        Assert.That(BlockDevice.NumberOf(BlockDevice.PathOf(number)), Is.EqualTo(number));
        Assert.That(BlockDevice.Holders(number), Is.Not.Null);
    }

    [Test]
    public void AFileHasASizeToo()
    {
        using var temp = new TempFile(5000);
        using var file = File.OpenHandle(temp.Path);
        Assert.That(BlockDevice.SizeBytes(file), Is.EqualTo(5000));
        Assert.That(BlockDevice.LogicalBlockSize(file), Is.EqualTo(512));
    }

    [Test]
    public void APreallocatedFileHasItsBlocks()
    {
        using var temp = new TempFile(0);
        using var file = File.OpenHandle(temp.Path, access: FileAccess.ReadWrite);
        BlockDevice.Preallocate(file, 4096, 8192);
        Assert.That(BlockDevice.SizeBytes(file), Is.EqualTo(12288));
    }

    [Test]
    public void WhatCannotBePreallocatedIsAnError()
    {
        using var temp = new TempFile(0);
        using var file = File.OpenHandle(temp.Path, access: FileAccess.ReadWrite);
        Assert.That(() => BlockDevice.Preallocate(file, 0, long.MaxValue), Throws.TypeOf<LinuxException>()
            .With.Property("Errno").AnyOf(Errno.EFBIG, Errno.ENOSPC));
        Assert.That(() => BlockDevice.Preallocate(file, 0, long.MaxValue), Throws.InstanceOf<IOException>());
    }

    [Test]
    public void OneFileUnderTwoPathsIsOneFile()
    {
        using var temp = new TempFile(0);
        using var link = new TempFile();
        File.CreateSymbolicLink(link.Path, temp.Path);
        Assert.That(BlockDevice.IdentityOf(link.Path), Is.EqualTo(BlockDevice.IdentityOf(temp.Path)));
    }

    [Test]
    public void AMissingFileIsNamed() => Assert.That(
        () => BlockDevice.OpenDirect("/nowhere/at/all", write: false),
        Throws.TypeOf<LinuxException>().With.Message.EqualTo("/nowhere/at/all: open: No such file or directory (ENOENT)"));
}
