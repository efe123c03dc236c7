// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

[Category("Root")]
internal sealed class LoopDeviceTests
{
    private const long Size = 1 << 20;
    private TempFile _file = null!;

    [SetUp]
    public void NeedLoopDevices()
    {
        _file = new TempFile(Size);
        LoopDevices.Require();
    }

    [TearDown]
    public void RemoveFile() => _file.Dispose();

    [Test]
    public void AFileBecomesADeviceAndIsFoundAgain()
    {
        using var loop = new Attached(_file.Path, readOnly: false);
        Assert.That(loop.Device.BackingFile, Is.EqualTo(_file.Path));
        Assert.That(BlockDevice.PathOf(loop.Device.Number), Is.EqualTo(loop.Device.Path));
        using var found = LoopDevice.FindByBackingFile(_file.Path);
        Assert.That(found?.Index, Is.EqualTo(loop.Device.Index));
        var info = LoopDevice.List().Single(entry => entry.Index == loop.Device.Index);
        Assert.That(info.IsReadOnly, Is.False);
        Assert.That((info.Device, info.Inode), Is.EqualTo(BlockDevice.IdentityOf(_file.Path)));
    }

    [Test]
    public void AListLeavesOutWhatTheCallerDoesNotWant()
    {
        using var wanted = new Attached(_file.Path, readOnly: true);
        using var unwanted = new Attached(_file.Path, readOnly: true);
        var listed = LoopDevice.List(index => index == unwanted.Device.Index).Select(entry => entry.Index).ToList();
        Assert.That(listed, Does.Contain(wanted.Device.Index).And.Not.Contain(unwanted.Device.Index));
    }

    [Test]
    public void ADetachedFileIsNotFound()
    {
        LoopDevice.Attach(_file.Path, readOnly: false).DetachAndDispose();
        Assert.That(LoopDevice.FindByBackingFile(_file.Path), Is.Null);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void AFileOnTrialGoesWithWhoAttachedIt(bool readOnly)
    {
        LoopDevice.Attach(_file.Path, readOnly, onTrial: true).Dispose();
        Assert.That(() => LoopDevice.FindByBackingFile(_file.Path), Is.Null.After(5000, 50));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void AFileThatIsKeptStays(bool readOnly)
    {
        var loop = LoopDevice.Attach(_file.Path, readOnly, onTrial: true);
        bool direct = loop.IsDirectIo;
        loop.Keep();
        loop.Dispose();
        using var found = LoopDevice.FindByBackingFile(_file.Path);
        Assert.That(found?.Index, Is.EqualTo(loop.Index));
        Assert.That((found!.IsDirectIo, found.BackingFile), Is.EqualTo((direct, _file.Path)));
        Assert.That(LoopDevice.Find(loop.Index)!.IsReadOnly, Is.EqualTo(readOnly));
        found.Detach();
    }

    [Test]
    public void AReadOnlyDeviceRefusesWriters()
    {
        using var loop = new Attached(_file.Path, readOnly: true);
        Assert.That(LoopDevice.List().Single(entry => entry.Index == loop.Device.Index).IsReadOnly, Is.True);
        Assert.That(() => File.WriteAllBytes(loop.Device.Path, new byte[512]),
            Throws.InstanceOf<IOException>().Or.InstanceOf<UnauthorizedAccessException>());
    }

    [Test]
    public void ItGrowsWithItsFile()
    {
        using var loop = new Attached(_file.Path, readOnly: false);
        using var file = BlockDevice.OpenDirect(loop.Device.Path, write: false);
        Assert.That(BlockDevice.SizeBytes(file), Is.EqualTo(Size));
        File.OpenHandle(_file.Path, access: FileAccess.Write).Grow(2 * Size);
        loop.Device.SetCapacity();
        Assert.That(BlockDevice.SizeBytes(file), Is.EqualTo(2 * Size));
        Assert.That(BlockDevice.LogicalBlockSize(file), Is.EqualTo(512));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void WhoMayNotOpenADeviceKnowsTheSameOfIt(bool readOnly)
    {
        using var loop = new Attached(_file.Path, readOnly);
        var known = LoopDevice.List().Single(entry => entry.Index == loop.Device.Index);
        Assert.That(LoopSysfs.Describe(loop.Device.Index, _file.Path), Is.EqualTo(known));
        Assert.That(LoopSysfs.Describe(loop.Device.Index, "/nowhere/at/all (deleted)"), Is.Null);
    }

    [TestCase(Errno.ESTALE)]
    [TestCase(Errno.EIO)]
    public void OneWhoseFileDoesNotAnswerIsLeftOut(Errno error)
    {
        LoopDeviceInfo one = new(1, "/one", default, 1, 0, 0, false);
        LoopDeviceInfo three = one with { Index = 3 };
        var listed = LoopDevice.List([1, 2, 3], index => index switch
        {
            1 => one,
            2 => throw new LinuxException(error, "LOOP_GET_STATUS64", "/dev/loop2"),
            _ => three,
        });
        Assert.That(listed, Is.EqualTo(new[] { one, three }));
    }

    [Test]
    public void AMissingFileIsNamed() => Assert.That(() => LoopDevice.Attach("/nowhere/at/all", true),
        Throws.TypeOf<LinuxException>().With.Message.StartsWith("/nowhere/at/all: open: "));

    [Test]
    public void ManyAtOnceGetDifferentDevices()
    {
        var all = new System.Collections.Concurrent.ConcurrentBag<Attached>();
        Parallel.For(0, 4, _ => all.Add(new Attached(_file.Path, readOnly: true)));
        Assert.That(all.Select(loop => loop.Device.Index), Is.Unique);
        foreach (var loop in all)
        {
            loop.Dispose();
        }
    }
}
