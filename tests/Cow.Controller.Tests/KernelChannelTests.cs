// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Tests.Fakes;
using Cow.DmIoctl;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>What is done with a channel that serves no device.</summary>
[TestFixture]
internal sealed class KernelChannelTests
{
    /// <summary>Of an ident without a table GONE follows the picture, and is read with it.</summary>
    [Test]
    public void NobodyWaitsBehindThePictureOfAnIdentThatIsAbandoned()
    {
        using var kernel = new ScriptedChannel();
        kernel.Tell(new CowEvent { Type = CowEventType.Placed, Flags = CowEventFlags.Picture, Chunk = 3, Count = 1, Number = 1 });
        kernel.Tell(new CowEvent { Type = CowEventType.PictureEnd });
        kernel.Tell(new CowEvent { Type = CowEventType.Gone, Number = 1 });
        KernelChannel.Abandon(kernel, "vm1", generation: 7);
        Assert.That(kernel.Calls.Waits, Is.EqualTo(1));
        Assert.That(kernel.Accepted, Is.EqualTo(new[] { CowReply.Abandon(7) }));
    }

    [Test]
    public void WhatTheKernelKeepsIsNotSaidToBeAbandoned()
    {
        using var kernel = new ScriptedChannel { Refuse = _ => Errno.EBUSY };
        kernel.Tell(new CowEvent { Type = CowEventType.PictureEnd });
        Assert.That(() => KernelChannel.Abandon(kernel, "vm1", generation: 7), Throws.TypeOf<LinuxException>());
    }
}
