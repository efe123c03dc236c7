// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>On threads of their own: a nice value is a thread's.</summary>
[TestFixture]
internal sealed class ThreadSchedulingTests
{
    [TestCase(-10, 0)]
    [TestCase(-20, -20)]
    [TestCase(0, 0)]
    [TestCase(5, 5)]
    public void AStarterStaysAsNiceAsItWas(int nice, int begins)
    {
        (bool could, int began, int after) = (false, 0, 0);
        var starter = new Thread(() =>
        {
            could = ThreadScheduling.TrySetNice(nice);
            var thread = new Thread(() => began = ThreadScheduling.Nice);
            ThreadScheduling.Start(thread);
            after = ThreadScheduling.Nice;
            thread.Join();
        });
        starter.Start();
        starter.Join();
        Assume.That(could, "CAP_SYS_NICE is needed");
        Assert.That((began, after), Is.EqualTo((begins, nice)));
    }
}
