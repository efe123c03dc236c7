// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>An attached file of the fake kernel. Never waits: the test drives the loop turn by turn.</summary>
internal sealed class FakeChannel(FakeKernel kernel, ulong epoch, KillSwitch killSwitch) : IFaultChannel
{
    public void Wait(int milliseconds)
    {
    }

    public void Wake()
    {
    }

    public int Read(Span<CowEvent> events) => kernel.Read(epoch, events);

    public int Write(ReadOnlySpan<CowReply> replies, out Errno refused)
    {
        killSwitch.Hit();
        return kernel.Write(epoch, replies, out refused);
    }

    public void Dispose() => kernel.Detach(epoch);
}
