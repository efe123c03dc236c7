// SPDX-License-Identifier: MIT
using System.Diagnostics;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

internal sealed class WakeEventTests
{
    [Test]
    public void ItStaysSetUntilItIsCleared()
    {
        using var fifo = new Fifo();
        using var channel = new CowChannel(fifo.Open());
        using var wake = new WakeEvent();
        wake.Set();
        wake.Set();
        Assert.That(channel.Poll(wake, -1), Is.EqualTo(ChannelReady.Woken));
        Assert.That(channel.Poll(wake, 0), Is.EqualTo(ChannelReady.Woken));
        wake.Clear();
        wake.Clear();
        Assert.That(channel.Poll(wake, 0), Is.EqualTo(ChannelReady.None));
    }

    [Test]
    public void AnotherThreadEndsAPoll()
    {
        using var fifo = new Fifo();
        using var channel = new CowChannel(fifo.Open());
        using var wake = new WakeEvent();
        var clock = Stopwatch.StartNew();
        using var timer = new Timer(_ => wake.Set(), null, 50, Timeout.Infinite);
        while (channel.Poll(wake, 30_000) == ChannelReady.None)
        {
        }

        Assert.That(clock.Elapsed, Is.LessThan(TimeSpan.FromSeconds(25)));
    }
}
