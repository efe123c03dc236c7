// SPDX-License-Identifier: MIT
using System.Diagnostics;
using Cow.DmIoctl.Abi;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class UdevCookieTests
{
    // DM_COOKIE_MAGIC 0x0D4D and DM_UDEV_FLAGS_SHIFT 16 of libdevmapper.h.
    [Test]
    public void TheKeyIsTheMagicOverTheCookie() => Assert.That(UdevCookie.Key(0xbeef), Is.EqualTo(0x0d4d_beef));

    [Test]
    public void EventNrIsTheFlagsOverTheCookie() =>
        Assert.That(UdevCookie.Compose(0xbeef, UdevFlags.PrimarySource), Is.EqualTo(0x0040_beefu));

    [Test]
    public void AnUnarmedCookieTellsOnlyTheFlags()
    {
        using var cookie = UdevCookie.Unarmed();
        Assert.That(cookie.EventNr, Is.EqualTo(0x0040_0000u));
        Assert.That(cookie.Wait(TimeSpan.Zero), Is.True);
    }

    [Test]
    public void TheWaitEndsWhenUdevHasCountedDown()
    {
        using var cookie = Arm();
        using var udev = new Timer(_ => CountDown(cookie.EventNr), null, 50, Timeout.Infinite);
        Assert.That(cookie.Wait(TimeSpan.FromSeconds(20)), Is.True);
    }

    [Test]
    public void TheWaitHasALimit()
    {
        using var cookie = Arm();
        var clock = Stopwatch.StartNew();
        Assert.That(cookie.Wait(TimeSpan.FromMilliseconds(60)), Is.False);
        Assert.That(clock.Elapsed, Is.GreaterThan(TimeSpan.FromMilliseconds(50)));
    }

    [Test]
    public void DisposingRemovesTheSemaphore()
    {
        var cookie = Arm();
        int key = UdevCookie.Key(Low(cookie.EventNr));
        Assert.That(LibC.SemGet(key, 1, 0), Is.GreaterThanOrEqualTo(0));
        cookie.Dispose();
        Assert.That(LibC.SemGet(key, 1, 0), Is.LessThan(0));
        Assert.That(Syscall.LastError, Is.EqualTo(Errno.ENOENT));
    }

    // The kernel hands event_nr to the rules as DM_COOKIE, in decimal; they hand it to dmsetup.
    [Test]
    [Category("Root")]
    public void DmsetupCompletesOurCookie()
    {
        if (!UdevCookie.UdevRuns || !File.Exists("/dev/mapper/control"))
        {
            Assert.Ignore("dmsetup does nothing where there is no device-mapper or no udev");
        }

        using var cookie = Arm();
        try
        {
            using var dmsetup = Process.Start("dmsetup", $"udevcomplete {cookie.EventNr}");
            dmsetup.WaitForExit();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("there is no dmsetup on this machine");
        }

        Assert.That(cookie.Wait(TimeSpan.FromSeconds(5)), Is.True);
    }

    private static UdevCookie Arm()
    {
        var cookie = UdevCookie.Arm();
        if (!cookie.IsArmed)
        {
            Assert.Ignore("there are no System V semaphores on this machine");
        }

        return cookie;
    }

    private static ushort Low(uint eventNr) => (ushort)(eventNr & 0xffff);

    // What "dmsetup udevcomplete" does.
    private static unsafe void CountDown(uint eventNr)
    {
        var down = new SemBuf { Operation = -1, Flags = SemNumbers.NoWait };
        int semaphore = LibC.SemGet(UdevCookie.Key(Low(eventNr)), 1, 0);
        _ = LibC.SemOp(semaphore, &down, 1);
    }
}
