// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class FileRightsTests
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Shared = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    [Test]
    public void AFileIsItsOwnersUntilItIsGivenRights()
    {
        using var file = new TempFile();
        using var handle = FileRights.CreateOwn(file.Path);
        var own = FileRights.Of(file.Path);
        Assert.That(own.Mode, Is.EqualTo(OwnerOnly));
        (own with { Mode = Shared }).GiveTo(handle);
        Assert.That(FileRights.Of(file.Path), Is.EqualTo(own with { Mode = Shared }));
        RandomAccess.Write(handle, "text"u8, 0);
        Assert.That(File.ReadAllText(file.Path), Is.EqualTo("text"));
    }

    [Test]
    public void WhatIsThereIsNotOpened()
    {
        using var file = new TempFile(length: 8);
        Assert.That(() => FileRights.CreateOwn(file.Path), Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.EEXIST));
    }

    [Test]
    [Category("Root")]
    public void RootMakesAFileAnotherUsers()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.Ignore("only root can give a file away");
        }

        using var file = new TempFile();
        using var handle = FileRights.CreateOwn(file.Path);
        FileRights nobodys = new(65534, 65534, Shared);
        nobodys.GiveTo(handle);
        Assert.That(FileRights.Of(file.Path), Is.EqualTo(nobodys));
    }
}
