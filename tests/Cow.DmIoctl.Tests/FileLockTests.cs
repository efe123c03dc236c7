// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class FileLockTests
{
    [Test]
    public void AnExclusiveLockKeepsOthersOut()
    {
        using var temp = new TempFile(0);
        using var one = Open(temp);
        using var other = Open(temp);
        Assert.That(FileLock.TryLock(one, 100, 1, exclusive: true), Is.True);
        Assert.That(FileLock.TryLock(other, 100, 1, exclusive: true), Is.False);
        Assert.That(FileLock.TryLock(other, 0, 0, exclusive: false), Is.False);
        Assert.That(FileLock.TryLock(other, 101, 1, exclusive: true), Is.True);
        Assert.That(FileLock.IsHeldByOthers(other, 100, 1, exclusive: false), Is.True);
        Assert.That(FileLock.IsHeldByOthers(one, 100, 1, exclusive: true), Is.False);
    }

    [Test]
    public void SharedLocksGoTogether()
    {
        using var temp = new TempFile(0);
        using var one = Open(temp);
        using var other = Open(temp);
        Assert.That(FileLock.TryLock(one, 100, 1, exclusive: false), Is.True);
        Assert.That(FileLock.TryLock(other, 100, 1, exclusive: false), Is.True);
        Assert.That(FileLock.IsHeldByOthers(other, 100, 1, exclusive: true), Is.True);
        Assert.That(FileLock.IsHeldByOthers(other, 100, 1, exclusive: false), Is.False);
    }

    [Test]
    public void ALockGoesWithItsFile()
    {
        using var temp = new TempFile(0);
        using var other = Open(temp);
        using (var one = Open(temp))
        {
            Assert.That(FileLock.TryLock(one, 0, 1, exclusive: true), Is.True);
        }

        Assert.That(FileLock.TryLock(other, 0, 1, exclusive: true), Is.True);
        FileLock.Unlock(other, 0, 1);
        using var third = Open(temp);
        Assert.That(FileLock.TryLock(third, 0, 1, exclusive: true), Is.True);
    }

    [Test]
    public void WhoeverOpensAFileToLockItTakesNoFlock()
    {
        using var temp = new TempFile(0);
        using var one = FileLock.Open(temp.Path);
        Assert.That(() => File.OpenHandle(temp.Path, access: FileAccess.ReadWrite, share: FileShare.None).Dispose(), Throws.Nothing);
    }

    private static Microsoft.Win32.SafeHandles.SafeFileHandle Open(TempFile temp) =>
        FileOpen.Open(temp.Path, Abi.FileNumbers.ReadWrite);
}
