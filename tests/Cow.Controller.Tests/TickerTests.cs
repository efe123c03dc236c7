// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Who gets a tick, and at what cost.</summary>
[TestFixture]
internal sealed class TickerTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Test]
    public void ADeviceWithNothingToDoLeavesNoGarbage()
    {
        var ticker = new Ticker<Device>(static device => device.Due, static device => device.Tick());
        var idle = new Device { Due = false };
        ticker.Offer(idle);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            ticker.Offer(idle);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(idle.Ticks, Is.Zero);
    }

    [Test]
    public void OneThatHangsHoldsUpNoOtherAndGetsNoSecondTick()
    {
        using var end = new ManualResetEventSlim();
        var ticker = new Ticker<Device>(static device => device.Due, static device => device.Tick());
        var hanging = new Device { Work = end.Wait };
        var other = new Device();
        for (int tick = 1; tick <= 3; tick++)
        {
            ticker.Offer(hanging);
            OfferUntil(ticker, other, tick);
        }

        Assert.That(hanging.Ticks, Is.LessThanOrEqualTo(1));
        end.Set();
        OfferUntil(ticker, hanging, 2);
    }

    [Test]
    public void WhoOffersMayWaitForTheTick()
    {
        using var end = new ManualResetEventSlim();
        var ticker = new Ticker<Device>(static device => device.Due, static device => device.Tick());
        var device = new Device { Work = end.Wait };
        Task? tick = ticker.Offer(device);
        Assert.That(tick, Is.Not.Null);
        Assert.That(ticker.Offer(device), Is.Null, "it runs");
        Assert.That(tick!.Wait(0), Is.False);
        end.Set();
        Assert.That(tick.Wait(Soon), Is.True);
        Assert.That(ticker.Offer(new Device { Due = false }), Is.Null);
    }

    [Test]
    public void OneThatFailsIsTriedAgain()
    {
        var ticker = new Ticker<Device>(static device => device.Due, static device => device.Tick());
        var failing = new Device { Work = () => throw new InvalidOperationException("it cannot be reaped yet") };
        OfferUntil(ticker, failing, 3);
    }

    private static void OfferUntil(Ticker<Device> ticker, Device device, int ticks) => Assert.That(
        SpinWait.SpinUntil(
            () =>
            {
                ticker.Offer(device);
                return device.Ticks >= ticks;
            },
            Soon),
        Is.True);

    private sealed class Device
    {
        private int _ticks;

        public bool Due { get; init; } = true;

        public Action Work { get; init; } = () => { };

        public int Ticks => Volatile.Read(ref _ticks);

        public void Tick()
        {
            _ = Interlocked.Increment(ref _ticks);
            Work();
        }
    }
}
