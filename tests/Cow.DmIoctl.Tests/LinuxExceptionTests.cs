// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class LinuxExceptionTests
{
    [Test]
    public void ItIsASentenceForAnOperator() => Assert.That(
        new LinuxException(Errno.EBUSY, "DM_DEV_REMOVE", "ident", "close it first").Message,
        Is.EqualTo("ident: DM_DEV_REMOVE: Device or resource busy (EBUSY); close it first"));

    [Test]
    public void AnErrorWithoutANameHasItsNumber() => Assert.That(
        new LinuxException((Errno)40, "open", null).Message,
        Is.EqualTo("open: Too many levels of symbolic links (40)"));

    [Test]
    public void ItsNumberIsWhereExceptionsOfDotnetHaveIt() =>
        Assert.That(new LinuxException(Errno.EMFILE, "open", null).HResult, Is.EqualTo(24));

    [TestCase(Errno.ENOSPC, true)]
    [TestCase(Errno.EDQUOT, true)]
    [TestCase(Errno.EFBIG, true)]
    [TestCase(Errno.EIO, false)]
    public void AQuotaIsRoomToo(Errno errno, bool room) =>
        Assert.That(new LinuxException(errno, "fallocate", null).IsForWantOfRoom, Is.EqualTo(room));

    [Test]
    public void HeadersAreForTheReportNotForTheSentence()
    {
        var e = new LinuxException(Errno.EINVAL, "DM_TABLE_LOAD", "ident", null, "in: x\nout: y");
        Assert.That(e.Message, Does.Not.Contain("in: x"));
        Assert.That(e.ToString(), Does.EndWith("in: x\nout: y"));
    }
}
