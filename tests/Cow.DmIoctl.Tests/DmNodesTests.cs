// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

[Category("Root")]
internal sealed class DmNodesTests
{
    private static readonly DmName Name = new("ident");
    private static readonly DeviceNumber Number = new(253, 1023);
    private string _directory = null!;
    private DmNodes _nodes = null!;

    private string Node => Path.Combine(_directory, "mapper", "ident");

    [SetUp]
    public void MakeDirectory()
    {
        _directory = Directory.CreateTempSubdirectory("cowtest_delme_").FullName;
        _nodes = new DmNodes(Path.Combine(_directory, "mapper"));
        if (LibC.MkNod(Path.Combine(_directory, "probe"), StatNumbers.Block | 0x180, Number.Encode()) < 0)
        {
            Assert.Ignore($"may not make device nodes here: {Syscall.LastError}");
        }
    }

    [TearDown]
    public void RemoveDirectory() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void ANodeIsMadeForItsOwnerAlone()
    {
        _nodes.Ensure(Name, Number);
        Assert.That(BlockDevice.NumberOf(Node), Is.EqualTo(Number));
        Assert.That(File.GetUnixFileMode(Node), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public void AWrongNodeIsReplaced()
    {
        _nodes.Ensure(Name, new DeviceNumber(253, 1022));
        _nodes.Ensure(Name, Number);
        _nodes.Ensure(Name, Number);
        Assert.That(BlockDevice.NumberOf(Node), Is.EqualTo(Number));
    }

    [Test]
    public void ANodeIsRemovedWithItsDevice()
    {
        _nodes.Ensure(Name, Number);
        _nodes.Remove(Name, Number);
        _nodes.Remove(Name, Number);
        Assert.That(FileStatus.Find(Node, follow: false), Is.Null);
    }

    [Test]
    public void TheNodeOfAnotherDeviceIsLeftAlone()
    {
        _nodes.Ensure(Name, Number);
        _nodes.Remove(Name, new DeviceNumber(253, 1022));
        Assert.That(BlockDevice.IsBlockDevice(Node), Is.True);
    }

    [Test]
    public void ADanglingLinkIsRemoved()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "mapper"));
        File.CreateSymbolicLink(Node, "../dm-1023");
        _nodes.Remove(Name, Number);
        Assert.That(FileStatus.Find(Node, follow: false), Is.Null);
    }

    [Test]
    public void InPlaceOfUdevALinkIsMade()
    {
        LibC.MkNod(Path.Combine(_directory, "dm-1023"), StatNumbers.Block | 0x180, Number.Encode());
        Directory.CreateDirectory(Path.Combine(_directory, "mapper"));
        _nodes.EnsureInPlaceOfUdev(Name, Number);
        Assert.That(FileStatus.Find(Node, follow: false)!.Value.IsLink, Is.True);
        Assert.That(BlockDevice.NumberOf(Node), Is.EqualTo(Number));
    }

    [Test]
    public void InPlaceOfUdevANodeIsMadeWhereThereIsNothingToLinkTo()
    {
        _nodes.EnsureInPlaceOfUdev(Name, Number);
        Assert.That(FileStatus.Find(Node, follow: false)!.Value.IsBlock, Is.True);
    }
}
