// SPDX-License-Identifier: MIT
using System.Diagnostics;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class ResolvedFileTests
{
    private string _folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        // Links resolved, wherever temporary files are.
        _folder = Directory.CreateTempSubdirectory("cow-test-").FullName;
        _folder = Directory.ResolveLinkTarget(_folder, returnFinalTarget: true)?.FullName ?? _folder;
        Directory.CreateDirectory(In("real"));
        File.WriteAllText(In("real/file"), "text");
        File.CreateSymbolicLink(In("link"), "real/file");
        Directory.CreateSymbolicLink(In("way"), "real");
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase(false)]
    [TestCase(true)]
    public void AFileIsOpened(bool write)
    {
        using var handle = ResolvedFile.Open(In("real/file"), write);
        byte[] text = new byte[4];
        Assert.That(RandomAccess.Read(handle, text, 0), Is.EqualTo(4));
        Assert.That(text, Is.EqualTo("text"u8.ToArray()));
        Assert.That(() => RandomAccess.Write(handle, text, 4), write ? Throws.Nothing : Throws.InstanceOf<UnauthorizedAccessException>());
        Assert.That(BlockDevice.IsBlock(handle), Is.False);
    }

    [TestCase("link")]
    [TestCase("way/file")]
    [TestCase("nothing")]
    [TestCase("real/file/below")]
    public void NoLinkIsFollowed(string name) =>
        Assert.That(() => ResolvedFile.Open(In(name), write: false), Throws.TypeOf<LinuxException>().With.Property("Subject").EqualTo(In(name)));

    [TestCase("link")]
    [TestCase("way/file")]
    public void WhereALinkLeadsIsLocked(string name)
    {
        using var locked = FileLock.Open(In(name));
        using var file = ResolvedFile.Open(In("real/file"), write: false);
        Assert.That(FileLock.TryLock(locked, 100, 1, exclusive: false), Is.True);
        Assert.That(FileLock.IsHeldByOthers(file, 100, 1, exclusive: true), Is.True);
    }

    [Test]
    public void WhatIsNoFileIsRefusedAndNotWaitedFor()
    {
        using var mkfifo = Process.Start("mkfifo", [In("pipe")]);
        mkfifo.WaitForExit();
        Assert.That(() => ResolvedFile.Open(In("pipe"), write: false), Throws.InstanceOf<IOException>());
        Assert.That(() => FileLock.Open(In("pipe")), Throws.InstanceOf<IOException>());
        Assert.That(() => ResolvedFile.Open(In("real"), write: false), Throws.InstanceOf<IOException>());
        Assert.That(() => ResolvedFile.Open("/dev/null", write: true), Throws.InstanceOf<IOException>());
    }

    private string In(string name) => Path.Combine(_folder, name);
}
