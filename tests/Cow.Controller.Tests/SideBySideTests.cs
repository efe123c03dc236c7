// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What is begun when, and what is waited for.</summary>
[TestFixture]
internal sealed class SideBySideTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    private readonly TaskCompletionSource _never = new();

    [Test]
    public void OnReturnAllHaveEnded()
    {
        var all = new SideBySide(2, Long, pauses: 1);
        int ended = 0;
        for (int i = 0; i < 20; i++)
        {
            all.Begin(() => Task.Run(() => Interlocked.Increment(ref ended)));
        }

        all.Wait();
        Assert.That(ended, Is.EqualTo(20));
    }

    [Test]
    public void NoMoreThanThatRunAtATime()
    {
        var all = new SideBySide(3, Long, pauses: 1);
        int running = 0;
        int most = 0;
        for (int i = 0; i < 30; i++)
        {
            all.Begin(() =>
            {
                most = Math.Max(most, Interlocked.Increment(ref running));
                return Task.Run(() =>
                {
                    Thread.Sleep(1);
                    _ = Interlocked.Decrement(ref running);
                });
            });
        }

        all.Wait();
        Assert.That(most, Is.InRange(1, 3));
    }

    [Test]
    public void WhatHangsHoldsUpNoOther()
    {
        var all = new SideBySide(2, Short, pauses: 1000);
        int begun = 0;
        for (int i = 0; i < 50; i++)
        {
            bool hangs = i is 0 or 1 or 20;
            all.Begin(() =>
            {
                begun++;
                return hangs ? _never.Task : Task.CompletedTask;
            });
        }

        Assert.That(begun, Is.EqualTo(50));
    }

    [Test]
    public void WhatHangsIsNotWaitedFor()
    {
        var all = new SideBySide(2, Short, pauses: 3);
        all.Begin(() => _never.Task);
        all.Begin(() => Task.CompletedTask);
        Assert.That(Task.Run(all.Wait).Wait(Long), Is.True);
    }

    [Test]
    public void WhereNothingEndsAnyMoreNothingIsBegun()
    {
        var all = new SideBySide(1, Short, pauses: 2);
        int begun = 0;
        for (int i = 0; i < 10; i++)
        {
            all.Begin(() =>
            {
                begun++;
                return _never.Task;
            });
        }

        all.Wait();
        Assert.That(begun, Is.EqualTo(2), "the first, and one for the pause before it was given up");
    }

    [Test]
    public void WhereThereIsNothingToWaitForNobodyWaits()
    {
        var all = new SideBySide(1, Long, pauses: 1);
        for (int i = 0; i < 10; i++)
        {
            all.Begin(static () => null);
        }

        all.Wait();
    }
}
